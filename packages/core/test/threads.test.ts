import { addNote, changeConversation, indexEvents, mergeConversations, splitConversation } from '@parley/core'
import {
  type Channel,
  type Conversation,
  type EventRow,
  findThreadKey,
  takeConversationNumbers,
  updateInbox,
} from '@parley/db'
import { has } from '@parley/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { at, deletion, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox: open } = await openInboxes(t)
const NOW = at('12:00:00')
const HOUR = 3600

/** An inbox whose conversations open again for an hour; `window` null: always. */
async function openInbox(window: number | null = HOUR) {
  const inbox = await open()
  await inbox.run(async trx => {
    await updateInbox(trx, inbox.inbox_id, { reopen_window_seconds: window })
    // The numbers below are given out by the inbox of the tests.
    await takeConversationNumbers(trx, 1_000_000)
  })
  return inbox
}

const conversationOf = async (inbox: Inbox, external_id: string): Promise<Conversation> => {
  const said = (await inbox.everything('messages')).find(row => row.external_id === external_id)!
  return (await inbox.everything('conversations')).find(row => row.id === said.conversation_id)!
}
const messageOf = async (inbox: Inbox, external_id: string) =>
  (await inbox.everything('messages')).find(row => row.external_id === external_id)!

const change = (inbox: Inbox, { id, version }: Conversation, status: 'resolved' | 'spam', now: Date) =>
  inbox.run(trx => changeConversation(trx, id, { status }, version, inbox.agent, now))
const merge = (inbox: Inbox, into: Conversation, from: Conversation, now = NOW) =>
  inbox.run(trx =>
    mergeConversations(trx, { into_id: into.id, into_version: into.version, from_id: from.id }, inbox.agent, now),
  )
const split = (inbox: Inbox, of: Conversation, message_ids: string[], with_replies = false, now = NOW) =>
  inbox.run(trx => splitConversation(trx, of.id, { message_ids, with_replies }, of.version, inbox.agent, now))

/** A conversation that was resolved at ten. */
async function resolved(inbox: Inbox, channel: Channel) {
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  return change(inbox, await inbox.only('conversations'), 'resolved', at('10:00:00'))
}

t.test("a customer's message within the window opens a resolved conversation again", async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await resolved(inbox, channel)
  // Late, but said in time.
  await inbox.deliver(channel, [message('m-2', '11:00:00')], at('13:00:00'))
  has(t, await inbox.only('conversations'), { status: 'open', resolved_at: null })
})

t.test(
  'after the window it begins a new conversation, linked both ways, which has the thread from then on',
  async t => {
    const inbox = await openInbox()
    const channel = await inbox.addChannel()
    const old = await resolved(inbox, channel)
    const late = message('m-2', '11:00:01', { parent_external_id: 'm-1' })
    await inbox.deliver(channel, [late, late, message('m-3', '11:00:02')], at('11:00:03'))
    await inbox.deliver(channel, [late, message('m-4', '10:30:00')], at('11:30:00'))
    const next = await conversationOf(inbox, 'm-2')
    has(t, next, { follows_id: old.id, status: 'open', number: 2, waiting_since: at('10:30:00'), thread_key: 't-1' })
    has(t, await conversationOf(inbox, 'm-1'), { status: 'resolved', followed_by_id: next.id })
    t.equal((await conversationOf(inbox, 'm-3')).id, next.id)
    t.equal((await conversationOf(inbox, 'm-4')).id, next.id, 'what comes last, though it was said in time')
    t.equal((await messageOf(inbox, 'm-2')).in_reply_to, (await messageOf(inbox, 'm-1')).id, 'its parent is found')
    t.equal((await inbox.everything('messages')).length, 4, 'nothing twice')
    t.equal((await inbox.log()).filter(type => type === 'conversation.followed').length, 1)

    const edited = message('m-1', '09:00:00', { text: 'edited', version_at: at('11:40:00').toISOString() })
    await inbox.deliver(channel, [edited, deletion('m-3', '11:45:00')], at('11:50:00'))
    has(t, await messageOf(inbox, 'm-1'), { body: 'edited', conversation_id: old.id })
    t.equal((await inbox.everything('conversations')).length, 2, 'an edit stays where its message is')

    await change(inbox, await conversationOf(inbox, 'm-2'), 'resolved', at('12:00:00'))
    await inbox.deliver(channel, [message('m-5', '14:00:00')], at('14:00:01'))
    t.equal((await conversationOf(inbox, 'm-5')).follows_id, next.id)
  },
)

t.test('without a window a conversation is always opened again, and spam stays spam', async t => {
  const inbox = await openInbox(null)
  const channel = await inbox.addChannel()
  await resolved(inbox, channel)
  await inbox.deliver(channel, [message('m-2', '23:00:00')], at('23:00:01'))
  const opened = await inbox.only('conversations')
  t.equal(opened.status, 'open')
  await change(inbox, opened, 'spam', at('23:10:00'))
  await inbox.deliver(channel, [message('m-3', '23:30:00')], at('23:30:01'))
  t.equal((await inbox.only('conversations')).status, 'spam')
})

t.test('what nobody has to answer opens nothing and begins nothing', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await resolved(inbox, channel)
  const native = message('m-2', '13:00:00', { from_us: true, author: 'shop' })
  await inbox.deliver(channel, [native, message('m-3', '13:00:01', { automatic: true })], at('13:00:02'))
  has(t, await inbox.only('conversations'), { status: 'resolved' })
})

t.test('messages past the window come to the same in any order, however often and in however many batches', async t => {
  const times = ['11:00:01', '11:30:00', '12:00:00', '12:30:00']
  const events = times.map((time, index) => message(`n-${index}`, time, { author: index % 2 ? 'ben' : 'ana' }))
  const told = fc
    .array(fc.constantFrom(...events), { maxLength: 4 })
    .chain(again => fc.shuffledSubarray([...events, ...again], { minLength: events.length + again.length }))
  await fc.assert(
    fc.asyncProperty(told, fc.integer({ min: 1, max: 4 }), async (delivered, size) => {
      const inbox = await openInbox()
      const channel = await inbox.addChannel()
      await resolved(inbox, channel)
      for (let first = 0; first < delivered.length; first += size)
        await inbox.deliver(channel, delivered.slice(first, first + size), at('13:00:00'))
      const [, next, ...others] = await inbox.everything('conversations')
      const waits = (await inbox.everything('waits')).filter(row => row.conversation_id === next!.id && !row.closed_at)
      const state = {
        others: others.length,
        since: next!.waiting_since,
        waits: waits.map(row => row.opened_at.toISOString()).sort(),
        messages: (await inbox.everything('messages')).filter(row => row.conversation_id === next!.id).length,
      }
      const wanted = {
        others: 0,
        since: at('11:00:01'),
        waits: [at('11:00:01').toISOString(), at('11:30:00').toISOString()],
        messages: 4,
      }
      if (JSON.stringify(state) !== JSON.stringify(wanted)) throw new Error(JSON.stringify(state))
    }),
    { numRuns: 15 },
  )
  t.pass('held')
})

/** Two threads of one channel: Ana asks in both, Ben in the second. */
async function twoThreads() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  const other = { thread_key: 't-2' }
  const said = [message('m-1', '09:30:00'), message('n-1', '09:00:00', other)]
  await inbox.deliver(channel, [...said, message('n-2', '09:10:00', { ...other, author: 'ben' })], at('09:40:00'))
  const into = await conversationOf(inbox, 'm-1')
  const from = await conversationOf(inbox, 'n-1')
  return { inbox, channel, into, from, other }
}

t.test('a merge moves every message; the other conversation is a pointer that takes no change', async t => {
  const { inbox, into, from } = await twoThreads()
  await merge(inbox, into, from)
  for (const row of await inbox.everything('messages')) t.equal(row.conversation_id, into.id)
  const pointer = (await inbox.everything('conversations')).find(row => row.id === from.id)!
  has(t, pointer, { status: 'merged', merged_into_id: into.id, waiting_since: null, next_due_at: null })
  const refused = { code: 'conversation_merged', details: { merged_into_id: into.id } }
  await t.rejects(change(inbox, pointer, 'resolved', NOW), refused)
  await t.rejects(inbox.reply(from.id, NOW), refused)
  const note = { conversation_id: from.id, author: inbox.agent, body: 'Hello' }
  await t.rejects(
    inbox.run(trx => addNote(trx, note, NOW)),
    refused,
  )
  await t.rejects(merge(inbox, (await conversationOf(inbox, 'm-1'))!, pointer), refused)
  await t.rejects(split(inbox, pointer, [(await messageOf(inbox, 'n-1')).id]), refused)
  t.equal((await inbox.log()).filter(type => type === 'conversation.merged').length, 2, 'both are told')
})

t.test(
  'merge: the survivor keeps the earliest open wait per customer; the others are cancelled with a pointer',
  async t => {
    const { inbox, into, from } = await twoThreads()
    await merge(inbox, into, from)
    const waits = await inbox.everything('waits')
    const open = waits.filter(row => !row.closed_at)
    t.same(open.map(row => row.opened_at).sort(), [at('09:00:00'), at('09:10:00')])
    const kept = open.find(row => +row.opened_at === +at('09:00:00'))!
    const cancelled = waits.filter(row => row.closed_at)
    has(t, cancelled, [{ cancelled_reason: 'merged', merged_into_id: kept.id, opened_at: at('09:30:00') }])
    const clocks = await inbox.everything('sla_clocks')
    const ended = clocks.find(row => row.wait_id === cancelled[0]!.id)!
    has(t, ended, { state: 'cancelled', cancelled_reason: 'merged' })
    t.ok(clocks.every(row => row.conversation_id === into.id))
    has(t, await conversationOf(inbox, 'm-1'), {
      status: 'open',
      waiting_since: at('09:00:00'),
      next_due_at: at('10:00:00'),
    })

    await inbox.send(
      await inbox.reply(into.id, at('12:01:00'), { in_reply_to: (await messageOf(inbox, 'm-1')).id }),
      at('12:02:00'),
    )
    const left = (await inbox.everything('waits')).filter(row => !row.closed_at)
    t.same(
      left.map(row => row.opened_at),
      [at('09:10:00')],
      'Ben still waits',
    )
  },
)

t.test('what the merged thread brings goes to the survivor, and answers leave into the thread they answer', async t => {
  const { inbox, channel, into, from, other } = await twoThreads()
  await merge(inbox, into, from)
  await inbox.deliver(channel, [message('n-3', '12:10:00', { ...other, author: 'cem' })], at('12:10:01'))
  t.equal((await conversationOf(inbox, 'n-3')).id, into.id)
  t.equal((await inbox.everything('conversations')).length, 2)
  const threadOf = async (external_id: string) => {
    const reply = await inbox.reply(into.id, at('12:20:00'), { in_reply_to: (await messageOf(inbox, external_id)).id })
    return inbox.run(trx => findThreadKey(trx, into, reply.thread_conversation_id))
  }
  t.same([await threadOf('m-1'), await threadOf('n-1'), await threadOf('n-3')], ['t-1', 't-2', 't-2'])
})

t.test('a chain of merges ends in one survivor, and none can go round', async t => {
  const { inbox, channel, into, from } = await twoThreads()
  await inbox.deliver(channel, [message('o-1', '09:20:00', { thread_key: 't-3' })], at('09:40:00'))
  await merge(inbox, into, from)
  const last = await conversationOf(inbox, 'o-1')
  await merge(inbox, last, await conversationOf(inbox, 'm-1'))
  await inbox.deliver(channel, [message('n-4', '12:10:00', { thread_key: 't-2' })], at('12:10:01'))
  t.equal((await conversationOf(inbox, 'n-4')).id, last.id)
  const rows = await inbox.everything('conversations')
  t.same(rows.map(row => row.merged_into_id).sort(), [last.id, last.id, null].sort())
  await t.rejects(merge(inbox, into, await conversationOf(inbox, 'o-1')), { code: 'conversation_merged' })
})

t.test(
  'conversations of two channels, spam with what is none, and a conversation with itself are not merged',
  async t => {
    const { inbox, into, from } = await twoThreads()
    const second = await inbox.addChannel()
    await inbox.deliver(second, [message('x-1', '09:00:00')], at('09:40:00'))
    await t.rejects(merge(inbox, into, await conversationOf(inbox, 'x-1')), { code: 'conflict' })
    await t.rejects(merge(inbox, into, into), { code: 'validation_failed' })
    await t.rejects(merge(inbox, { ...into, version: 7 }, from), { code: 'version_mismatch' })
    await t.rejects(merge(inbox, into, await change(inbox, from, 'spam', NOW)), { code: 'conflict' })
  },
)

/** One public thread with Ana and Ben, where Ana was answered nothing yet. */
async function oneThread() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  const events = [
    message('m-1', '09:00:00'),
    message('m-2', '09:10:00', { author: 'ben' }),
    message('m-3', '09:20:00'),
    message('m-4', '09:30:00', { author: 'ben', parent_external_id: 'm-3' }),
  ]
  await inbox.deliver(channel, events, at('09:40:00'))
  return { inbox, channel, old: await inbox.only('conversations') }
}
const openWaits = async (inbox: Inbox, conversation_id: string) =>
  (await inbox.everything('waits'))
    .filter(row => row.conversation_id === conversation_id && !row.closed_at)
    .map(row => row.opened_at)
    .sort()

t.test('a split moves messages to a new conversation of the same thread, with their answers if asked', async t => {
  const { inbox, old } = await oneThread()
  const apart = await split(inbox, old, [(await messageOf(inbox, 'm-3')).id], true)
  const [m3, m4] = [await conversationOf(inbox, 'm-3'), await conversationOf(inbox, 'm-4')]
  t.same([m3.id, m4.id], [apart, apart])
  has(t, m3, { split_from_id: old.id, thread_key: 't-1', status: 'open', last_message_at: at('09:30:00') })
  t.equal((await conversationOf(inbox, 'm-1')).last_message_at.getTime(), at('09:10:00').getTime())
})

t.test('split: waits follow messages; who is unanswered on both sides waits on both', async t => {
  const { inbox, old } = await oneThread()
  const started = (await inbox.everything('waits')).find(row => +row.opened_at === +at('09:00:00'))!
  const apart = await split(inbox, old, [(await messageOf(inbox, 'm-1')).id])
  t.same(await openWaits(inbox, apart), [at('09:00:00')])
  t.same(await openWaits(inbox, old.id), [at('09:10:00'), at('09:20:00')])
  const moved = (await inbox.everything('waits')).find(row => row.id === started.id)!
  has(t, moved, { conversation_id: apart, opened_at: at('09:00:00') })
  const clock = (await inbox.everything('sla_clocks')).find(row => row.wait_id === started.id)!
  has(t, clock, { conversation_id: apart, started_at: at('09:00:00'), due_at: at('10:00:00'), state: 'running' })
  const rest = await conversationOf(inbox, 'm-2')
  has(t, rest, { waiting_since: at('09:10:00'), next_due_at: at('10:10:00') })
  has(t, await conversationOf(inbox, 'm-1'), { waiting_since: at('09:00:00'), next_due_at: at('10:00:00') })
})

t.test('what answers a message that was split off goes where that is, the rest of the thread stays', async t => {
  const { inbox, channel, old } = await oneThread()
  const apart = await split(inbox, old, [(await messageOf(inbox, 'm-3')).id])
  await inbox.deliver(
    channel,
    [
      message('m-5', '12:10:00', { parent_external_id: 'm-3' }),
      message('m-6', '12:11:00', { parent_external_id: 'm-5' }),
      message('m-7', '12:12:00', { parent_external_id: 'm-1' }),
      message('m-8', '12:13:00'),
    ],
    at('12:20:00'),
  )
  const places = []
  for (const name of ['m-5', 'm-6', 'm-7', 'm-8']) places.push((await conversationOf(inbox, name)).id)
  t.same(places, [apart, apart, old.id, old.id])
})

t.test(
  'a split that leaves nothing, or of a message that stands elsewhere, is refused and changes nothing',
  async t => {
    const { inbox, old } = await oneThread()
    const ids = (await inbox.everything('messages')).map(row => row.id)
    await t.rejects(split(inbox, old, ids), { code: 'validation_failed' })
    await t.rejects(split(inbox, old, [old.id]), { code: 'validation_failed' })
    await t.rejects(split(inbox, { ...old, version: 9 }, [ids[0]!]), { code: 'version_mismatch' })
    t.equal((await inbox.everything('conversations')).length, 1)
  },
)

t.test('search finds messages where they were moved to', async t => {
  const { inbox, into, from } = await twoThreads()
  const level = () =>
    inbox.run(async trx => {
      const events = await trx.selectFrom('events').selectAll().orderBy('seq').execute()
      await indexEvents(trx, events as unknown as EventRow[])
      const { rows } = await sql<{ id: string }>`
        select distinct conversation_id as id from search_documents where kind = 'message'`.execute(trx)
      return rows.map(row => row.id).sort()
    })
  t.same(await level(), [into.id, from.id].sort())
  await merge(inbox, into, from)
  t.same(await level(), [into.id])
  const apart = await split(inbox, await conversationOf(inbox, 'm-1'), [(await messageOf(inbox, 'n-1')).id])
  t.same(await level(), [into.id, apart].sort())
})

/** What must hold whatever was merged and split. */
async function checkSense(inbox: Inbox, delivered: Set<string>): Promise<void> {
  const conversations = await inbox.everything('conversations')
  const messages = await inbox.everything('messages')
  const waits = (await inbox.everything('waits')).filter(row => !row.closed_at)
  const inbound = messages.filter(row => row.direction === 'inbound').map(row => row.external_id!)
  if (inbound.sort().join() !== [...delivered].sort().join()) throw new Error(`${inbound} instead of what came`)
  for (const row of conversations) {
    const said = messages.filter(each => each.conversation_id === row.id)
    if (row.merged_into_id ? said.length > 0 : said.length === 0)
      throw new Error(`${row.id} has ${said.length} messages`)
    const here = waits.filter(wait => wait.conversation_id === row.id)
    if (new Set(here.map(wait => wait.contact_id)).size !== here.length) throw new Error('two waits of one customer')
    const since = here.length > 0 ? Math.min(...here.map(wait => +wait.opened_at)) : undefined
    if (row.waiting_since?.getTime() !== since) throw new Error(`waiting_since of ${row.id}`)
    for (const wait of here) {
      const opener = said.find(each => each.id === wait.opened_by_message_id)
      if (!opener || +opener.occurred_at !== +wait.opened_at) throw new Error('a wait without its message')
    }
  }
  const answered = messages.some(row => row.direction === 'outbound')
  if (!answered) {
    const wrote = new Set(messages.map(row => `${row.conversation_id} ${row.contact_id}`))
    if (wrote.size !== waits.length) throw new Error(`${wrote.size} wrote, ${waits.length} wait`)
  }
  const counted = await inbox.run(async trx => {
    const { rows } = await sql<{ status: string; count: number }>`
      select status, sum(count)::int as count from conversation_counts group by 1 having sum(count) <> 0`.execute(trx)
    return rows.map(row => `${row.status} ${row.count}`).sort()
  })
  const there = new Map<string, number>()
  for (const { status } of conversations) there.set(status, (there.get(status) ?? 0) + 1)
  const wanted = [...there].map(([status, count]) => `${status} ${count}`).sort()
  if (counted.join() !== wanted.join()) throw new Error(`${counted} counted, ${wanted} are there`)
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('say' as const),
      who: fc.constantFrom('ana', 'ben'),
      thread: fc.constantFrom('t-1', 't-2', 't-3'),
      parent: fc.nat(9),
      again: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('merge' as const), a: fc.nat(9), b: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('split' as const), a: fc.nat(9), replies: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reply' as const), a: fc.nat(9) }) },
)

t.test(
  'whatever is merged, split, said and answered, each message stands once and each customer waits once',
  async t => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async steps => {
        const inbox = await openInbox(null)
        await inbox.promise()
        const channel = await inbox.addChannel()
        const delivered = new Set<string>()
        for (const [index, one] of steps.entries()) {
          const minute = String(index).padStart(2, '0')
          const now = at(`10:${minute}:30`)
          const live = (await inbox.everything('conversations')).filter(row => !row.merged_into_id)
          const pick = <T>(rows: T[], place: number) => rows[place % Math.max(1, rows.length)]
          if (one.do === 'say') {
            const parent = pick([...delivered, null], one.parent) ?? null
            const said = message(`m-${index}`, `10:${minute}:00`, {
              author: one.who,
              thread_key: one.thread,
              parent_external_id: parent,
            })
            await inbox.deliver(channel, one.again ? [said, said] : [said], now)
            delivered.add(`m-${index}`)
          } else if (one.do === 'merge') {
            const [into, from] = [pick(live, one.a), pick(live, one.b)]
            if (into && from && into !== from) await merge(inbox, into, from, now)
          } else if (one.do === 'split') {
            const of = pick(live, one.a)
            const there = (await inbox.everything('messages')).filter(row => row.conversation_id === of?.id)
            if (of && there.length > 1)
              await split(inbox, of, [there[0]!.id], one.replies, now).catch(error => {
                if (error.code !== 'validation_failed') throw error
              })
          } else {
            const of = pick(live, one.a)
            if (of) await inbox.send(await inbox.reply(of.id, now), at(`10:${minute}:40`))
          }
          await checkSense(inbox, delivered)
        }
      }),
      { numRuns: 25 },
    )
    t.pass('held')
  },
)

t.test('merges, what comes in and replies at the same moment lose and double nothing', async t => {
  for (let round = 0; round < 5; round += 1) {
    const { inbox, channel, into, from, other } = await twoThreads()
    const reply = await inbox.reply(from.id, at('12:00:00'))
    await Promise.allSettled([
      merge(inbox, into, from),
      inbox.deliver(channel, [message('n-9', '12:10:00', other)], at('12:10:01')),
      merge(inbox, from, into),
      inbox.send(reply, at('12:11:00')),
      inbox.deliver(channel, [message('m-9', '12:10:00')], at('12:10:01')),
    ])
    // What the race refused is delivered again, as the ledger would.
    await inbox.deliver(channel, [message('n-9', '12:10:00', other), message('m-9', '12:10:00')], at('12:12:00'))
    await checkSense(inbox, new Set(['m-1', 'n-1', 'n-2', 'n-9', 'm-9']))
    const sent = (await inbox.everything('messages')).filter(row => row.direction === 'outbound')
    t.equal(sent.length, 1)
    const pointers = (await inbox.everything('conversations')).filter(row => row.merged_into_id)
    t.equal(pointers.length, 1, 'one of the two merges')
  }
})
