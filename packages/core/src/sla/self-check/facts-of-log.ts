import { clockTime } from '@parley/domain'
import { instantOf, type LoggedEvent, movedFrom, textOf } from './logged-events.ts'

const FIELDS = ['status', 'priority', 'assignee_id', 'team_id'] as const
type Field = (typeof FIELDS)[number]
/** What a field of a conversation was within one transaction, from before it to its end; undefined where the log does not say. */
export type Seen = unknown[] | undefined

type Said = {
  message_id: string
  contact_id: string | null
  at: Date
  awaits: boolean
  history: boolean
  /** Until when its network takes an answer; null: for ever. */
  reply_until: Date | null
  /** All that this was. */
  reply_untils: Date[]
}
/** When a message was flagged, and whether it still is. */
type Flag = { since: Date[]; flagged: boolean }

/** What one transaction told of one conversation, and what that was meanwhile. */
export type Transaction = {
  events: LoggedEvent[]
  /** Of all that happened in that transaction. */
  types: Set<string>
  seen(field: Field): Seen
}

/** What the log knows of the causes of clocks. */
export type LoggedFacts = {
  transactions: Transaction[]
  /** When customers began to wait by what they said, in clock time; `awaits`: nobody has answered that, or set it aside. */
  said: Said[]
  /** When the network accepted each reply. */
  accepted: Map<string, Date>
  /** By the message. */
  flags: Map<string, Flag>
  /** Conversations as they are in the end. */
  now(conversation_id: string, field: Field): unknown
}

/**
 * Reads the causes of clocks from the log. It knows nothing of clocks.
 * @param connectedAt when a channel was connected
 */
export function factsOfLog(events: LoggedEvent[], connectedAt: (channel_id: string) => Date | undefined): LoggedFacts {
  const said = new Map<string, Said>()
  const accepted = new Map<string, Date>()
  const flags = new Map<string, Flag>()
  const places = new Map<string, unknown>()
  const types = new Map<string, Set<string>>()
  for (const { xact, type } of events) types.set(xact, (types.get(xact) ?? new Set()).add(type))
  const transactions = byTransaction(events).map(together => {
    const [{ conversation_id, xact }] = together as [LoggedEvent]
    // What the log has not said so far may have been anything.
    const begun = together.some(({ type }) => type === 'conversation.created')
    const seen = new Map<Field, unknown[]>(
      FIELDS.map(field => [field, begun ? [] : [places.get(`${conversation_id}:${field}`)]]),
    )
    const note = (id: string | null, field: Field, value: unknown) => {
      places.set(`${id}:${field}`, value)
      if (id === conversation_id) seen.get(field)!.push(value)
    }
    for (const event of together) {
      readMessage(event, said, accepted, connectedAt)
      readFlag(event, flags)
      readConversation(event, note)
    }
    const values = (field: Field) => (seen.get(field)?.includes(undefined) ? undefined : seen.get(field))
    return { events: together, types: types.get(xact)!, seen: values }
  })
  const now = (conversation_id: string, field: Field) => places.get(`${conversation_id}:${field}`)
  return { transactions, said: [...said.values()], accepted, flags, now }
}

/** Of one conversation they come one behind the other: whoever logs has locked it. */
function byTransaction(events: LoggedEvent[]): LoggedEvent[][] {
  const groups = new Map<string, LoggedEvent[]>()
  for (const event of events) {
    const key = `${event.xact}:${event.conversation_id}`
    groups.set(key, [...(groups.get(key) ?? []), event])
  }
  return [...groups.values()]
}

function readMessage(
  { type, data, actor_id }: LoggedEvent,
  said: Map<string, Said>,
  accepted: Map<string, Date>,
  connectedAt: (channel_id: string) => Date | undefined,
): void {
  const id = textOf(data.message_id)
  if (!id) return
  const [occurred_at, received_at] = [instantOf(data.occurred_at), instantOf(data.received_at)]
  const known = said.get(id)
  if (type === 'message.received' && occurred_at && received_at) {
    const at = clockTime(occurred_at, received_at, connectedAt(String(data.channel_id)) ?? new Date(0))
    const history = data.history === true
    const awaits = !history && !data.automatic && awaitsAs(data.disposition ?? 'unhandled')
    const reply_until = instantOf(data.reply_until)
    const reply_untils = reply_until ? [reply_until] : []
    said.set(id, { message_id: id, contact_id: actor_id, at, awaits, history, reply_until, reply_untils })
  }
  if (type === 'reply.sent') accepted.set(id, instantOf(data.accepted_at) ?? occurred_at ?? new Date(0))
  if (known && type === 'message.updated' && data.reply_until !== undefined) {
    known.reply_until = instantOf(data.reply_until)
    if (known.reply_until) known.reply_untils.push(known.reply_until)
  }
  if (known && type === 'message.disposition_changed') known.awaits = awaitsAs(data.disposition)
  if (known && (type === 'message.deleted' || type === 'message.dismissed')) known.awaits = false
}

function readFlag({ type, at, data }: LoggedEvent, flags: Map<string, Flag>): void {
  const id = textOf(data.message_id)
  if (!id) return
  const flag = flags.get(id)
  if (type === 'message.flagged') flags.set(id, { since: [...(flag?.since ?? []), at], flagged: true })
  // It can be read no longer, whether or not anybody took its flag off.
  const gone = type === 'message.deleted' || (type === 'message.disposition_changed' && data.disposition === 'hidden')
  if (flag && (gone || type === 'message.flag_cleared')) flag.flagged = false
}

const awaitsAs = (disposition: unknown) => disposition === 'unhandled' || disposition === 'acknowledged'

function readConversation(
  event: LoggedEvent,
  note: (conversation_id: string | null, field: Field, value: unknown) => void,
): void {
  const { type, data, conversation_id } = event
  if (!type.startsWith('conversation.')) return
  if (type === 'conversation.created') {
    const begun = data.split_from_id ? AS_SPLIT : AS_CREATED
    for (const field of FIELDS) note(conversation_id, field, begun[field])
    return
  }
  const move = movedFrom(event)
  if (move) {
    if (type === 'conversation.merged') note(move.from_id, 'status', 'merged')
    // Whether it is open then depends on who waits in it.
    note(move.into_id, 'status', undefined)
    return
  }
  for (const field of FIELDS)
    if (data[field] !== undefined && isOwn(type, field)) note(conversation_id, field, data[field])
}

/** What is resolved or assigned also names whose it is; that says nothing new of these fields. */
const isOwn = (type: string, field: Field) => type === 'conversation.updated' || field !== 'team_id'

/** Its state depends on what it began with. */
const AS_CREATED = { status: undefined, priority: 'normal', assignee_id: null, team_id: null }
/** It has the team and the priority of the one that it comes from. */
const AS_SPLIT = { status: undefined, priority: undefined, assignee_id: null, team_id: undefined }
