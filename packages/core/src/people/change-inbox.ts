import { isDeepStrictEqual } from 'node:util'
import {
  appendEvents,
  deleteInbox,
  type Inbox,
  insertInbox,
  lockInbox,
  newId,
  sqlState,
  type Trx,
  updateInbox,
} from '@parley/db'
import { type Actor, DomainError, NotFound, type Routing } from '@parley/domain'
import { handBackUnseen } from './hand-back.ts'

const FOREIGN_KEY_VIOLATION = '23503'

/** Creates an inbox, open to everybody until it is given members. */
export async function createInbox(
  trx: Trx,
  draft: { name: string; sla_policy_id: string | null; reopen_window_seconds: number | null },
  actor: Actor,
  now: Date,
): Promise<Inbox> {
  const inbox = await insertInbox(trx, { id: newId(now), ...draft, created_at: now })
  await appendEvents(trx, [{ type: 'inbox.created', at: now, actor, data: { inbox_id: inbox.id, ...draft } }])
  return inbox
}

export type InboxChange = {
  name?: string | undefined
  sla_policy_id?: string | null | undefined
  reopen_window_seconds?: number | null | undefined
  open_to_all?: boolean | undefined
  claim_lease_seconds?: number | null | undefined
  routing?: Routing | undefined
}

/**
 * Changes an inbox. One that is closed to others is left by those who see it no more.
 * @throws NotFound
 */
export async function changeInbox(trx: Trx, id: string, change: InboxChange, actor: Actor, now: Date): Promise<Inbox> {
  const present = await lockInbox(trx, id)
  if (!present) throw new NotFound('inbox')
  const given = Object.entries(change).filter(
    ([field, value]) => value !== undefined && !isDeepStrictEqual(value, present[field as keyof InboxChange]),
  )
  if (given.length === 0) return present
  const changed = Object.fromEntries(given)
  const previous = Object.fromEntries(given.map(([field]) => [field, present[field as keyof InboxChange]]))
  const inbox = (await updateInbox(trx, id, changed))!
  await appendEvents(trx, [{ type: 'inbox.updated', at: now, actor, data: { inbox_id: id, ...changed }, previous }])
  if (present.open_to_all && !inbox.open_to_all) await handBackUnseen(trx, { inbox_id: id }, actor, now)
  return inbox
}

/** @throws NotFound, or DomainError `conflict` while anything belongs to it */
export async function removeInbox(trx: Trx, id: string, actor: Actor, now: Date): Promise<Inbox> {
  const present = await lockInbox(trx, id)
  if (!present) throw new NotFound('inbox')
  await appendEvents(trx, [{ type: 'inbox.deleted', at: now, actor, data: { inbox_id: id, name: present.name } }])
  await deleteInbox(trx, id).catch(error => {
    if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error
    throw new DomainError('conflict', 'Channels, conversations or saved replies belong to this inbox.')
  })
  return present
}
