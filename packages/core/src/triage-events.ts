import { setImmediate as othersFirst } from 'node:timers/promises'
import {
  appendEvents,
  countRepeats,
  deleteTriage,
  deleteTriageOf,
  type EventRow,
  listMessagesToTriage,
  type MessageToTriage,
  putTriage,
  type Trx,
} from '@parley/db'
import { type RepeatContact, SYSTEM, type TriageModel } from '@parley/domain'
import { followLanguages } from './follow-languages.ts'
import { type Judged, rowOf, triagedEvent } from './triage-row.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** So many texts are judged before others of the process have their turn: some milliseconds. */
const AT_ONCE = 25
/** Who writes for the first time. */
const ONCE: RepeatContact = { unanswered_24h: 1, unanswered_7d: 1, conversations_7d: 1 }

/**
 * Judges the messages of customers that these events are about, as they stand now, and says so in the log, once for each
 * version of a message. A message that was judged by this model and has not changed since is left alone: events that come
 * twice, late or in another order leave the same behind. Its own events concern it not.
 * Returns how many messages were judged.
 */
export async function triageEvents(trx: Trx, events: EventRow[], model: TriageModel, now: Date): Promise<number> {
  const { messages, erased } = concerned(events)
  await deleteTriageOf(trx, erased)
  const found = await listMessagesToTriage(trx, messages)
  const standing = new Set(found.map(({ id }) => id))
  await deleteTriage(
    trx,
    messages.filter(id => !standing.has(id)),
  )
  const judged = await judge(
    found.filter(message => isNew(message, model)),
    model,
  )
  // Before they are counted: what one page brings of a person counts together.
  await putTriage(
    trx,
    judged.map(one => rowOf(one, ONCE, model, now)),
  )
  const repeats = await countRepeats(
    trx,
    judged.map(({ message: { id, contact_id, occurred_at } }) => ({ message_id: id, contact_id, occurred_at })),
  )
  const rows = judged.map(one => ({ ...one, row: rowOf(one, repeats.get(one.message.id) ?? ONCE, model, now) }))
  await putTriage(
    trx,
    rows.filter(({ row }) => !isOnce(row)).map(({ row }) => row),
  )
  await appendEvents(
    trx,
    rows.map(({ row, message }) => triagedEvent(row, message.conversation_id, SYSTEM, now)),
  )
  await followLanguages(
    trx,
    judged.map(({ message }) => message.conversation_id),
    now,
  )
  return judged.length
}

function concerned(events: EventRow[]): { messages: string[]; erased: string[] } {
  const messages = new Set<string>()
  const erased = new Set<string>()
  for (const { type, data } of events) {
    const { message_id, contact_id } = (data ?? {}) as Record<string, unknown>
    if (type === 'message.received' || type === 'message.updated' || type === 'message.deleted') {
      if (typeof message_id === 'string' && UUID.test(message_id)) messages.add(message_id)
    }
    // What was judged while they were erased.
    if (type === 'contact.erased' && typeof contact_id === 'string' && UUID.test(contact_id)) erased.add(contact_id)
  }
  return { messages: [...messages], erased: [...erased] }
}

const isNew = ({ known, version_at }: MessageToTriage, model: TriageModel) =>
  known?.version_at.getTime() !== version_at.getTime() ||
  known.model !== model.name ||
  known.model_version !== model.version

async function judge(messages: MessageToTriage[], model: TriageModel): Promise<Judged[]> {
  const judged: Judged[] = []
  for (const [index, message] of messages.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await othersFirst()
    judged.push({ message, assessment: model.assess(message.body, { language: message.contact_language }) })
  }
  return judged
}

const isOnce = ({ unanswered_24h, unanswered_7d, conversations_7d }: RepeatContact) =>
  unanswered_24h === 1 && unanswered_7d === 1 && conversations_7d === 1
