import { type NewEvent, newId } from '@parley/db'
import { dispositionOf } from '@parley/domain'
import { bringsFiles } from './read-attachments.ts'
import type { Arrival } from './read-batch.ts'

/** Where a message belongs. */
type Place = {
  channel_id: string
  conversation_id: string
  thread_conversation_id: string | null
  /** Who wrote it; of our own, whom it answers. */
  contact_id: string | null
  in_reply_to: string | null
  deleted_at: Date | null
  /** Since when what stands there is spam. */
  spam_at: Date | null
}

export type MessageRow = ReturnType<typeof messageRow>

/** Longer windows than this nobody has to be reminded of, and a stamp from the far future is none. */
const LONGEST_WINDOW_MS = 366 * 24 * 3_600_000

/** Until when its network takes an answer to it. */
export function replyUntil({ from_us, reply_until, occurred_at }: Arrival): Date | null {
  if (from_us || !reply_until) return null
  const until = new Date(reply_until)
  return until.getTime() - occurred_at.getTime() <= LONGEST_WINDOW_MS ? until : null
}

/** A message as it is stored. What we wrote in the network's own app is a reply that is sent. */
export function messageRow(arrival: Arrival, now: Date, place: Place) {
  return {
    id: newId(now),
    ...place,
    direction: arrival.from_us ? ('outbound' as const) : ('inbound' as const),
    kind: arrival.kind,
    visibility: arrival.visibility,
    state: arrival.from_us ? ('sent' as const) : ('received' as const),
    author_type: arrival.from_us ? ('native' as const) : ('contact' as const),
    body: arrival.text,
    body_html: arrival.html,
    body_marks: arrival.text_marks,
    external_id: arrival.external_id,
    parent_external_id: arrival.parent_external_id,
    permalink: arrival.permalink,
    reply_context: arrival.reply_context,
    reply_until: replyUntil(arrival),
    occurred_at: arrival.occurred_at,
    received_at: arrival.received_at,
    processed_at: now,
    version_at: arrival.version_at,
    edited_at: arrival.older.length > 0 ? arrival.version_at : null,
    from_history: arrival.history,
    has_attachments: bringsFiles(arrival),
    automatic: arrival.automatic ?? false,
    body_quoted: arrival.quoted_text ?? null,
    sender_verified: arrival.sender_verified ?? null,
    resolve_after: false,
  }
}

const NOTHING_DONE = { answered_at: null, dismissed_as: null, hidden_at: null, liked_at: null }

/**
 * What the log says of a message that is new to us. One that is deleted already is told as both.
 * @param team_id which team has its conversation: what was written in the network's own app is to its credit
 */
export function receivedEvents(row: MessageRow, team_id: string | null, now: Date): NewEvent[] {
  const { conversation_id, direction, deleted_at, spam_at, automatic, from_history } = row
  const actor =
    row.direction === 'inbound'
      ? { type: 'contact' as const, id: row.contact_id }
      : { type: 'system' as const, id: null }
  const id = { message_id: row.id, external_id: row.external_id }
  const disposition = dispositionOf({ ...NOTHING_DONE, direction, deleted_at, spam_at, automatic, from_history })
  const event: NewEvent = {
    type: row.direction === 'inbound' ? 'message.received' : 'reply.sent',
    at: now,
    actor,
    conversation_id,
    data: {
      ...id,
      channel_id: row.channel_id,
      kind: row.kind,
      visibility: row.visibility,
      occurred_at: row.occurred_at,
      received_at: row.received_at,
      ...(row.reply_until ? { reply_until: row.reply_until } : {}),
      ...(row.direction === 'outbound' ? { attribution: 'native', team_id } : {}),
      // Rules and webhooks leave history alone.
      ...(row.from_history ? { history: true } : {}),
      ...(row.automatic ? { automatic: true } : {}),
      ...(disposition && disposition !== 'unhandled' ? { disposition } : {}),
    },
  }
  if (!deleted_at) return [event]
  return [event, { at: now, actor, conversation_id, type: 'message.deleted', data: { ...id, deleted_at } }]
}
