import type { KnownMessage, MessageChange, NewEvent } from '@parley/db'
import type { TextMark } from '@parley/domain'
import { replyUntil } from './message-row.ts'
import { type Arrival, compareVersions, type Version, versionOf } from './read-batch.ts'

export type ChangedMessage = MessageChange & Pick<KnownMessage, 'conversation_id' | 'contact_id' | 'external_id'>

/**
 * What an arrival changes about the message that is stored: its text, when it brings a newer version; that it was
 * edited, when it brings any other; that somebody waits on it, when only a backfill had brought it. Undefined when it
 * says nothing new, or when we wrote the message here.
 */
export function changeOf(arrival: Arrival, known: KnownMessage | undefined): ChangedMessage | undefined {
  if (!known || isOurs(known)) return undefined
  const stored = { version_at: known.version_at, text: known.body }
  const order = compareVersions(arrival, stored)
  const version_at = order > 0 ? arrival.version_at : known.version_at
  const edited = known.edited_at !== null || order !== 0 || arrival.older.length > 0
  const edited_at = edited ? (order > 0 ? version_at : (known.edited_at ?? version_at)) : null
  const from_history = known.from_history && arrival.history
  const same = order <= 0 && from_history === known.from_history && edited === (known.edited_at !== null)
  if (same) return undefined
  const newest = order > 0 ? arrival : undefined
  return {
    id: known.id,
    conversation_id: known.conversation_id,
    contact_id: known.contact_id,
    external_id: known.external_id,
    kind: newest ? newest.kind : known.kind,
    visibility: newest ? newest.visibility : known.visibility,
    body: newest ? newest.text : known.body,
    body_html: newest ? newest.html : known.body_html,
    body_marks: newest ? newest.text_marks : known.body_marks,
    parent_external_id: newest ? newest.parent_external_id : known.parent_external_id,
    permalink: newest ? newest.permalink : known.permalink,
    reply_context: newest ? newest.reply_context : known.reply_context,
    reply_until: newest ? replyUntil(newest) : known.reply_until,
    version_at,
    edited_at,
    from_history,
  }
}

/**
 * The versions of a message that are not the one on it, once the arrival is applied.
 * @param id of the message, when it is new
 */
export function supersededVersions(arrival: Arrival, known: KnownMessage | undefined, id: string | undefined) {
  if (known && isOurs(known)) return []
  const versions = [...arrival.older]
  if (known) {
    const stored: Version = {
      text: known.body,
      html: known.body_html,
      // Written by us, from these words.
      text_marks: known.body_marks as TextMark[],
      version_at: known.version_at,
      received_at: known.received_at,
    }
    const order = compareVersions(arrival, stored)
    if (order > 0) versions.push(stored)
    if (order < 0) versions.push(versionOf(arrival))
    if (order <= 0)
      return rowsOf(
        known.id,
        versions.filter(version => compareVersions(version, stored) !== 0),
      )
  }
  return rowsOf(known?.id ?? id!, versions)
}

function rowsOf(message_id: string, versions: Version[]) {
  return versions.map(({ version_at, text, html, text_marks, received_at }) => ({
    message_id,
    version_at,
    body: text,
    body_html: html,
    body_marks: text_marks,
    received_at,
  }))
}

/** Written here and sent from here: its text is ours to know. */
export const isOurs = ({ direction, author_type }: KnownMessage) => direction !== 'inbound' && author_type !== 'native'

export function updatedEvent(change: ChangedMessage, now: Date): NewEvent {
  const { id, external_id, kind, visibility, conversation_id, contact_id, version_at, reply_until, from_history } =
    change
  return {
    type: 'message.updated',
    at: now,
    actor: { type: 'contact', id: contact_id },
    conversation_id,
    data: {
      message_id: id,
      external_id,
      kind,
      visibility,
      version_at,
      reply_until,
      ...(from_history ? { history: true } : {}),
    },
  }
}
