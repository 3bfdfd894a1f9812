import type { Expected } from './expected.ts'
import type { Stored, StoredMessage } from './stored.ts'

/** What breaks each invariant, in words; empty lists when all hold. */
export type Findings = Record<string, string[]>

/** Compares what a channel's network did with what the database holds once everything is worked on. */
export function findDifferences(expected: Expected, stored: Stored): Findings {
  return {
    'no loss: everything acknowledged is there': losses(expected, stored),
    'no duplicate: one message per id, one conversation per thread, one event for each': duplicates(stored),
    'final state: body and deletion are those of the last version': wrongStates(expected, stored),
    'order: a conversation is its thread, by time and then by id': wrongOrders(expected, stored),
    'visible: the ledger is what was acknowledged, and every row of it is done, ignored or parked': wrongLedger(
      expected,
      stored,
    ),
  }
}

function losses({ acknowledged, emitted }: Expected, { messages, ledger }: Stored): string[] {
  const kept = new Set(messages.map(message => message.external_id))
  const parked = new Set(ledger.filter(row => row.state === 'parked').map(row => row.dedup_key))
  return [...acknowledged].filter(id => {
    const event = emitted.get(id)
    // The deletion alone, of a message that was never acknowledged, leaves nothing to see.
    return event && !event.deleted && !kept.has(event.external_id) && !parked.has(id)
  })
}

function duplicates({ messages, conversations, log }: Stored): string[] {
  const received = countBy(
    log,
    row => row.type === 'message.received' && (row.data as { message_id: string }).message_id,
  )
  const created = countBy(log, row => row.type === 'conversation.created' && row.conversation_id)
  const spoken = countBy(messages, message => message.conversation_id)
  return [
    ...repeated(messages.map(message => message.external_id)).map(id => `message ${id} twice`),
    ...repeated(conversations.map(row => row.thread_key)).map(key => `thread ${key} twice`),
    ...messages
      .filter(message => received.get(message.id) !== 1)
      .map(({ id, external_id }) => `${external_id}: ${received.get(id) ?? 0} times message.received`),
    ...conversations
      .filter(row => created.get(row.id) !== 1)
      .map(({ id, thread_key }) => `${thread_key}: ${created.get(id) ?? 0} times conversation.created`),
    ...conversations
      .filter(row => !spoken.has(row.id))
      .map(row => `${row.thread_key}: a conversation without a message`),
  ]
}

function wrongStates({ versions, acknowledged }: Expected, { messages }: Stored): string[] {
  return messages.flatMap(({ external_id, body, deleted_at }) => {
    const events = versions.get(external_id)
    if (!events) return [`${external_id}: nobody wrote it`]
    // Of versions that were never acknowledged, any may have come through; a deletion says nothing of the text.
    const written = events.filter(event => !event.deleted)
    const known = written.findLastIndex(event => acknowledged.has(event.id))
    const deletion = events.find(event => event.deleted)
    const rightText = written.slice(Math.max(0, known)).some(event => event.text === body)
    const rightDeletion = deleted_at ? deletion !== undefined : !deletion || !acknowledged.has(deletion.id)
    const right = rightText && rightDeletion
    const last = events.at(-1)!
    return right
      ? []
      : [`${external_id}: version ${last.version}${last.deleted ? ', deleted' : ''}, is "${body}", ${deleted_at}`]
  })
}

function wrongOrders({ versions }: Expected, { messages }: Stored): string[] {
  const wrong: string[] = []
  let before: StoredMessage | undefined
  for (const message of messages) {
    const event = versions.get(message.external_id)?.[0]
    if (event && message.thread_key !== event.thread) {
      wrong.push(`${message.external_id} stands in ${message.thread_key}, belongs to ${event.thread}`)
    }
    if (event && message.occurred_at.toISOString() !== event.occurred_at) {
      wrong.push(
        `${message.external_id} has the time ${message.occurred_at.toISOString()}, was written ${event.occurred_at}`,
      )
    }
    const follows = before?.conversation_id === message.conversation_id
    // Stored rows come as the API lists them.
    if (before && follows && placeOf(before) > placeOf(message)) {
      wrong.push(`${message.external_id} is listed after ${before.external_id}`)
    }
    before = message
  }
  return wrong
}

const placeOf = ({ occurred_at, external_id }: StoredMessage) => `${occurred_at.toISOString()} ${external_id}`

function wrongLedger({ emitted, acknowledged }: Expected, { ledger }: Stored): string[] {
  const keys = new Set(ledger.map(row => row.dedup_key))
  return [
    ...[...acknowledged].filter(id => !keys.has(id)).map(id => `${id} was acknowledged and is not in the ledger`),
    ...ledger
      .filter(row => row.state !== 'parked' && !emitted.has(row.dedup_key))
      .map(row => `${row.dedup_key} was never told`),
    ...ledger.filter(row => row.state === 'pending').map(row => `${row.dedup_key} is still pending`),
    ...ledger
      .filter(row => row.state === 'parked' && !row.error)
      .map(row => `${row.dedup_key} is parked without a reason`),
  ]
}

function repeated(keys: string[]): string[] {
  const seen = new Set<string>()
  return keys.filter(key => seen.has(key) || !seen.add(key))
}

function countBy<T>(rows: T[], keyOf: (row: T) => string | false | null): Map<string, number> {
  const counts = new Map<string, number>()
  for (const row of rows) {
    const key = keyOf(row)
    if (key) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}
