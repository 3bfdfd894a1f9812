import t from 'tap'
import type { RecordEntry } from '../src/fake-network/record.ts'
import { type StoryEvent, tellStory } from '../src/fake-network/story.ts'
import { expectedOf } from '../src/history/expected.ts'
import { findDifferences } from '../src/history/findings.ts'
import type { Stored } from '../src/history/stored.ts'

const STORY = { seed: 3, name: 'story', messages: 40, started_at: Date.UTC(2025, 0, 1), edited: 0.3, deleted: 0.2 }

/** The record of a story that was acknowledged whole, and a database that holds exactly that. */
function perfect() {
  const events = tellStory(STORY)
  const record: RecordEntry[] = [
    ...events.map(event => ({ kind: 'emitted' as const, channel: 'shop', event })),
    { kind: 'acknowledged', channel: 'shop', ids: events.map(event => event.id) },
  ]
  const last = new Map<string, StoryEvent>()
  for (const event of events) last.set(event.external_id, event)
  const messages = [...last.values()].map(event => ({
    id: `id of ${event.external_id}`,
    external_id: event.external_id,
    conversation_id: `conversation of ${event.thread}`,
    thread_key: event.thread,
    body: event.text,
    deleted_at: event.deleted ? new Date(event.version_at) : null,
    occurred_at: new Date(event.occurred_at),
  }))
  const key = (message: (typeof messages)[0]) =>
    `${message.conversation_id} ${message.occurred_at.toISOString()} ${message.external_id}`
  messages.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  const threads = [...new Set(messages.map(message => message.thread_key))]
  const stored = {
    messages,
    conversations: threads.map(thread_key => ({ id: `conversation of ${thread_key}`, thread_key })),
    ledger: events.map(event => ({ dedup_key: event.id, state: 'done', error: null })),
    log: [
      ...messages.map(({ id }) => ({ type: 'message.received', conversation_id: null, data: { message_id: id } })),
      ...threads.map(thread => ({
        type: 'conversation.created',
        conversation_id: `conversation of ${thread}`,
        data: {},
      })),
    ],
  } as Stored
  return { record, stored }
}

/** The invariants that are broken, by their names. */
const broken = (record: RecordEntry[], stored: Stored) =>
  Object.entries(findDifferences(expectedOf(record, 'shop'), stored))
    .filter(([, found]) => found.length > 0)
    .map(([invariant]) => invariant.split(':')[0])

t.test('a database that holds what was acknowledged breaks nothing', async t => {
  const { record, stored } = perfect()
  t.same(broken(record, stored), [])
})

t.test('each kind of damage is found', async t => {
  const damages: Record<string, (stored: Stored) => void> = {
    'no loss': ({ messages }) => messages.splice(3, 1),
    'no duplicate': ({ log }) => log.push(log[0]!),
    'final state': ({ messages }) => {
      messages[5]!.body = 'something else'
    },
    order: ({ messages }) => messages.reverse(),
    visible: ({ ledger }) => {
      ledger[2]!.state = 'pending'
    },
  }
  for (const [invariant, damage] of Object.entries(damages)) {
    const { record, stored } = perfect()
    damage(stored)
    t.ok(broken(record, stored).includes(invariant), invariant)
  }
})

t.test('what was told and never acknowledged may be there or not', async t => {
  const { record, stored } = perfect()
  t.same(broken(record.slice(0, -1), stored), [])
  t.same(broken(record.slice(0, -1), { messages: [], conversations: [], ledger: [], log: [] }), [])
})
