import type { eventView } from '@parley/contracts'
import type { EventPosition, EventRow } from '@parley/db'
import { DomainError } from '@parley/domain'
import type { z } from 'zod'

export type EventView = z.output<typeof eventView>

/** A place in the log, as clients keep it. */
export const cursorOf = ({ xact, seq }: EventPosition) => `${xact}-${seq}`

/** An event as clients read it; its cursor is the place to go on from. */
export function describeEvent(row: EventRow): EventView {
  const { id, type, at, workspace_id, actor_type, actor_id, conversation_id, data, previous } = row
  const actor = { type: actor_type, id: actor_id }
  // The table's own constraints keep type and actor within the schema.
  return {
    cursor: cursorOf(row),
    id,
    type,
    at,
    workspace_id,
    actor,
    conversation_id,
    data,
    previous,
  } as EventView
}

/** @throws DomainError `invalid_cursor` */
export function parseEventCursor(cursor: string): EventPosition {
  const match = /^(\d{1,19})-(\d{1,15})$/.exec(cursor)
  if (!match) throw new DomainError('invalid_cursor', 'This is not a cursor of the event feed.')
  return { xact: String(BigInt(match[1]!)), seq: Number(match[2]) }
}
