import type { ConnectorEvent } from '@parley/contracts'
import { applyInbound } from '@parley/core'
import type { Channel } from '@parley/db'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { at, author, CONNECTED, deletion, file, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

const RECEIVED = at('12:00:00')
const RUNS = 50
const seconds = (base: Date, count: number) => new Date(base.getTime() + count * 1000)

/** Times are few, so that many of them are the same; some lie before the channel was connected, some in the future. */
const PAST = ['07:30:00', '07:45:00', '09:00:00', '09:00:01', '10:00:00', '11:59:59']
const FUTURE = ['12:30:00', '13:00:00']

const described = fc.record({
  handle: fc.constantFrom('ana', 'ana.b', null),
  display_name: fc.constantFrom('Ana', 'Ana Silva', null),
})
const version = fc.record({
  version_at: fc.constantFrom('10:00:00', '10:00:00', '11:00:00', '11:30:00'),
  text: fc.constantFrom('one', 'two', 'Zoë'),
  profile: described,
  permalink: fc.constant(null),
})
const story = (times: string[]) =>
  fc.record({
    author: fc.constantFrom('a', 'a', 'b'),
    thread_key: fc.constantFrom('t-1', 't-1', 't-1', 't-2'),
    occurred_at: fc.constantFrom(...times),
    versions: fc.array(version, { minLength: 1, maxLength: 3 }),
    deletions: fc.array(fc.constantFrom('09:30:00', '11:00:00', '11:45:00'), { maxLength: 2 }),
    /** Which of the messages it answers, by its place among them. */
    parent: fc.option(fc.integer({ min: 0, max: 5 }), { freq: 2 }),
    ours: fc.boolean(),
  })
type Story = typeof story extends (times: string[]) => fc.Arbitrary<infer S> ? S : never

/** The files of a version: some come, some stay and some go when a message is edited. */
function filesOf(text: string, version_at: string) {
  const names = version_at === '11:30:00' ? [] : { one: [], two: ['a', 'b'], Zoë: ['b', 'c'] }[text]!
  return names.map(name => file(name, { alt_text: `${name} as ${text} shows it at ${version_at}` }))
}

/** What happened to each message on the network: its versions, which keep their author, thread and time; its deletions. */
function eventsOf(stories: Story[]): ConnectorEvent[] {
  // Whether a question was taken back before or after its answer is history, and changes what came of it.
  const answered = stories.some((one, index) => one.ours && index > 0)
  return stories.flatMap((one, index) => [
    ...one.versions.map(({ version_at, text, profile }) =>
      message(`m-${index}`, one.occurred_at, {
        // What we say ourselves always answers somebody of its thread.
        thread_key: one.ours ? stories[0]!.thread_key : one.thread_key,
        parent_external_id: one.ours ? 'm-0' : one.parent === null ? null : `m-${one.parent}`,
        from_us: one.ours && index > 0,
        subject: `subject of ${index}`,
        author: author(one.author, profile),
        version_at: at(version_at).toISOString(),
        text,
        attachments: filesOf(text, version_at),
      }),
    ),
    ...(answered ? [] : one.deletions.map(time => deletion(`m-${index}`, time))),
  ])
}

/** The events in any order, some several times, cut into batches of any size. */
const deliveries = (times: string[]) =>
  fc
    .array(story(times), { minLength: 1, maxLength: 6 })
    .map(eventsOf)
    .chain(events =>
      fc.array(fc.constantFrom(...events), { maxLength: 5 }).chain(again => {
        const all = [...events, ...again]
        return fc.record({
          events: fc.constant(events),
          delivered: fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
          sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
        })
      }),
    )

function batchesOf<T>(items: T[], sizes: number[]): T[][] {
  const batches: T[][] = []
  for (let start = 0; start < items.length; ) {
    const size = sizes[batches.length % sizes.length]!
    batches.push(items.slice(start, start + size))
    start += size
  }
  return batches
}

/** Applies batches one after another; each event is received at the time of its batch, or all at one. */
async function apply(inbox: Inbox, channel: Channel, batches: ConnectorEvent[][], gap: number) {
  for (const [index, events] of batches.entries()) {
    const received_at = seconds(RECEIVED, index * gap)
    const row = { lane: 0, source: 'webhook' as const, received_at }
    const batch = events.map(event => ({ ...row, id: crypto.randomUUID(), event }))
    await inbox.run(trx => applyInbound(trx, channel, batch, inbox.nextNumber, seconds(RECEIVED, 3600 + index)))
  }
}

/** Everything the events left behind in a channel, named as the network names it. */
async function stateOf(inbox: Inbox, channel: Channel) {
  return inbox.run(async trx => ({
    contacts: await trx
      .selectFrom('contact_identities as i')
      .innerJoin('contacts as c', 'c.id', 'i.contact_id')
      .select(['i.external_id', 'i.handle', 'i.display_name', 'i.updated_at', 'c.name'])
      .where('i.network', '=', `generic:${channel.id}`)
      .orderBy('i.external_id')
      .execute(),
    conversations: await trx
      .selectFrom('conversations')
      .leftJoin('contact_identities as i', 'i.contact_id', 'conversations.contact_id')
      .select([
        'thread_key',
        'status',
        'waiting_since',
        'next_due_at',
        'last_message_at',
        'subject',
        'i.external_id as contact',
      ])
      .where('channel_id', '=', channel.id)
      .orderBy('thread_key')
      .execute(),
    messages: await trx
      .selectFrom('messages as m')
      .innerJoin('conversations as v', 'v.id', 'm.conversation_id')
      .leftJoin('contact_identities as i', 'i.contact_id', 'm.contact_id')
      .leftJoin('messages as parent', 'parent.id', 'm.in_reply_to')
      .select(['m.external_id', 'v.thread_key', 'i.external_id as author', 'm.body', 'm.occurred_at', 'm.version_at'])
      .leftJoin('messages as answer', 'answer.id', 'm.answered_by_id')
      .select(['m.edited_at', 'm.deleted_at', 'm.direction', 'parent.external_id as in_reply_to'])
      .select(['m.disposition', 'answer.external_id as answered_by'])
      .where('m.channel_id', '=', channel.id)
      // As the thread is read.
      .orderBy('v.thread_key')
      .orderBy('m.occurred_at')
      .orderBy('m.thread_position')
      .execute(),
    versions: await trx
      .selectFrom('message_versions as x')
      .innerJoin('messages as m', 'm.id', 'x.message_id')
      .select(['m.external_id', 'x.version_at', 'x.body'])
      .where('m.channel_id', '=', channel.id)
      .orderBy('m.external_id')
      .orderBy('x.version_at')
      .orderBy(sql`x.body collate "C"`)
      .execute(),
    files: await trx
      .selectFrom('attachments as a')
      .innerJoin('messages as m', 'm.id', 'a.message_id')
      .select(['m.external_id', 'm.has_attachments', 'a.external_id as file', 'a.removed'])
      // How a file was described that is there no longer, nobody asks.
      .select(eb => [
        eb.case().when('a.removed', '=', false).then(eb.ref('a.alt_text')).end().as('alt_text'),
        eb.case().when('a.removed', '=', false).then(eb.ref('a.position')).end().as('position'),
      ])
      .where('m.channel_id', '=', channel.id)
      .orderBy('m.external_id')
      .orderBy('a.external_id')
      .execute(),
    waits: await trx
      .selectFrom('waits as w')
      .innerJoin('conversations as v', 'v.id', 'w.conversation_id')
      .innerJoin('contact_identities as i', 'i.contact_id', 'w.contact_id')
      .leftJoin('sla_clocks as c', join => join.onRef('c.wait_id', '=', 'w.id').on('c.state', '=', 'running'))
      .select(['v.thread_key', 'i.external_id as author', 'w.opened_at', 'c.metric', 'c.started_at', 'c.due_at'])
      .where('v.channel_id', '=', channel.id)
      .where('w.closed_at', 'is', null)
      .orderBy('v.thread_key')
      .orderBy('i.external_id')
      .execute(),
  }))
}
type State = Awaited<ReturnType<typeof stateOf>>

/** What must hold of any state: who has something visible and unanswered waits, the conversation since the first of them. */
function checkSense({ conversations, messages, waits }: State): void {
  for (const { thread_key, waiting_since, next_due_at } of conversations) {
    const opened = waits.filter(wait => wait.thread_key === thread_key).map(wait => wait.opened_at.getTime())
    const since = opened.length > 0 ? Math.min(...opened) : undefined
    if (waiting_since?.getTime() !== since) throw new Error(`waiting_since of ${thread_key} is not its oldest wait`)
    const dues = waits.flatMap(wait => (wait.thread_key === thread_key && wait.due_at ? [wait.due_at.getTime()] : []))
    const due = dues.length > 0 ? Math.min(...dues) : undefined
    if (next_due_at?.getTime() !== due) throw new Error(`next_due_at of ${thread_key} is not its earliest promise`)
  }
  const nameOf = (row: { thread_key: string; author: string | null }) => `${row.thread_key} ${row.author}`
  const answered = new Map<string, number>()
  for (const row of messages.filter(row => row.direction === 'outbound'))
    answered.set(nameOf(row), Math.max(row.occurred_at.getTime(), answered.get(nameOf(row)) ?? 0))
  const isUnanswered = (row: State['messages'][number]) =>
    row.direction === 'inbound' &&
    !row.deleted_at &&
    // Nobody waits on a channel that is not connected yet.
    Math.max(row.occurred_at.getTime(), CONNECTED.getTime()) > (answered.get(nameOf(row)) ?? 0)
  const unanswered = [...new Set(messages.filter(isUnanswered).map(nameOf))].sort().join()
  const waiting = waits.map(nameOf).join()
  if (unanswered !== waiting) throw new Error(`${unanswered} wrote, ${waiting} wait`)
}

t.test('any order, any duplication and any batching of events gives the same state', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 1800, next: 7200 })
  for (const [name, times, gap] of [
    ['each batch is received later', PAST, 1],
    ['stamps from the future are received at one time', [...PAST, ...FUTURE], 0],
  ] as const) {
    await t.test(name, async t => {
      await fc.assert(
        fc.asyncProperty(deliveries([...times]), async ({ events, delivered, sizes }) => {
          const [plain, shuffled] = [await inbox.addChannel(), await inbox.addChannel()]
          await apply(inbox, plain, [events], gap)
          await apply(inbox, shuffled, batchesOf(delivered, sizes), gap)
          const [expected, state] = [await stateOf(inbox, plain), await stateOf(inbox, shuffled)]
          checkSense(expected)
          for (const part of ['contacts', 'conversations', 'messages', 'versions', 'files', 'waits'] as const) {
            const [found, wanted] = [JSON.stringify(state[part]), JSON.stringify(expected[part])]
            if (found !== wanted) throw new Error(`${part}: ${found} instead of ${wanted}`)
          }
        }),
        { numRuns: RUNS },
      )
      t.pass(`held for ${RUNS} histories`)
    })
  }
})
