import type { ConnectorEvent } from '@parley/contracts'
import {
  breachClocks,
  changeConversation,
  dismissMessage,
  explainClocks,
  mergeConversations,
  recalculateClocks,
  splitConversation,
  undismissMessage,
  warnClocks,
} from '@parley/core'
import { type Channel, listAtRisk, listBreaches, takeConversationNumbers } from '@parley/db'
import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, deletion, type Inbox, message, openInboxes, setStatus } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const EVERYTHING = { inbox_ids: null }

type Fields = Parameters<typeof message>[2]
/** Said at `time` where the network takes an answer until then. */
const said = (external_id: string, time: string, until: string | null, fields: Fields = {}) =>
  message(external_id, time, { ...(until ? { reply_until: at(until).toISOString() } : {}), ...fields })

async function opened(...events: ConnectorEvent[]) {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, events, at('09:00:01'))
  const { id } = await inbox.only('conversations')
  const deliver = (time: string, ...more: ConnectorEvent[]) => inbox.deliver(channel, more, at(time))
  const windows = async () =>
    (await inbox.everything('sla_clocks'))
      .filter(row => row.metric === 'network_window')
      .sort((a, b) => +a.due_at - +b.due_at)
  const tick = (time: string) => inbox.run(trx => breachClocks(trx, at(time), 100))
  return { inbox, channel, id, deliver, windows, tick }
}

t.test('network_window is a deadline of the network’s event, without a target, a policy or a calendar', async t => {
  const { inbox, windows, id } = await opened(said('m-1', '09:00:00', '21:00:00.250'))
  const [clock, ...others] = await windows()
  t.same(others, [])
  has(t, clock, { state: 'running', started_at: at('09:00:00'), due_at: at('21:00:00.250'), warn_at: at('19:00:00') })
  t.match(clock, { policy_id: null, policy_version: null, calendar_id: null, calendar_version: null, paused_ms: 0 })
  has(t, await inbox.only('conversations'), { next_due_at: at('21:00:00.250') })
  const [risk] = await inbox.run(trx => listAtRisk(trx, EVERYTHING, {}, at('20:00:00'), { limit: 10 }))
  has(t, risk, { metric: 'network_window', conversation: { id } })
  const [explained] = await inbox.run(trx => explainClocks(trx, id, at('10:00:00')))
  const text = explained!.explanation.text.join(' ')
  t.match(text, /The network takes an answer until 2026-03-02T21:00:00.25[+]00:00; no policy and no calendar count/)
  t.equal(explained!.explanation.counted_seconds, 3600)
})

t.test('network_window is fulfilled by a reply sent, and late is both', async t => {
  for (const [time, breached_at] of [
    ['11:00:00', null],
    ['12:00:00', null],
    ['12:00:01', at('12:00:00')],
  ] as const) {
    const { inbox, windows, id } = await opened(said('m-1', '09:00:00', '12:00:00'))
    await inbox.send(await inbox.reply(id, at('11:00:00')), at(time))
    has(t, (await windows())[0], { state: 'fulfilled', fulfilled_at: at(time), breached_at, due_at: at('12:00:00') })
    const late = (await inbox.log()).filter(type => type === 'sla.breached').length
    t.equal(late, breached_at ? 1 : 0)
    has(t, await inbox.only('conversations'), { next_due_at: null })
  }
})

t.test('network_window is cancelled when the window is gone: deleted, hidden, dismissed, spam', async t => {
  const ids = async ({ inbox, id }: Awaited<ReturnType<typeof opened>>) => ({
    conversation_id: id,
    message_id: (await inbox.everything('messages'))[0]!.id,
  })
  const ends: [string, (all: Awaited<ReturnType<typeof opened>>) => Promise<unknown>][] = [
    ['customer_deleted', ({ deliver }) => deliver('10:00:00', deletion('m-1', '10:00:00'))],
    ['spam', ({ inbox }) => setStatus(inbox, 'spam', at('10:00:00'))],
    [
      'dismissed',
      async all => {
        const why = { reason: 'Thanks', as: 'no_reply_needed' as const }
        const message = await ids(all)
        await all.inbox.run(trx => dismissMessage(trx, message, why, all.inbox.agent, at('10:00:00')))
      },
    ],
  ]
  for (const [reason, end] of ends) {
    const all = await opened(said('m-1', '09:00:00', '12:00:00'))
    await end(all)
    has(t, (await all.windows())[0], { state: 'cancelled', cancelled_reason: reason, breached_at: null })
    has(t, await all.inbox.only('conversations'), { next_due_at: null })
  }
  const late = await opened(said('m-1', '09:00:00', '09:59:00'))
  await ends[2]![1](late)
  has(t, (await late.windows())[0], { state: 'cancelled', breached_at: at('09:59:00'), detected_at: at('10:00:00') })
  const message = await ids(late)
  await late.inbox.run(trx => undismissMessage(trx, message, late.inbox.agent, at('10:10:00')))
  const running = (await late.windows()).filter(({ state }) => state === 'running')
  has(t, running, [{ due_at: at('09:59:00'), started_at: at('09:00:00') }])
})

t.test('what is said within a window makes it longer, and what is said after it has closed opens another', async t => {
  const { windows, deliver, tick, inbox, id } = await opened(said('m-1', '09:00:00', '12:00:00'))
  await deliver('11:00:01', said('m-2', '11:00:00', '14:00:00'))
  has(t, await windows(), [{ due_at: at('14:00:00'), started_at: at('09:00:00') }])
  t.equal((await inbox.log()).filter(type => type === 'sla.retargeted').length, 1)
  await tick('14:00:01')
  await deliver('15:00:01', said('m-3', '15:00:00', '18:00:00'))
  await deliver('15:00:02', said('m-1b', '13:30:00', '16:00:00'))
  const [closed, open, ...others] = await windows()
  t.same(others, [])
  has(t, closed, { state: 'running', breached_at: at('14:00:00'), due_at: at('14:00:00') }, 'a recorded breach stays')
  has(t, open, { state: 'running', breached_at: null, due_at: at('18:00:00'), started_at: at('13:30:00') })
  has(t, await inbox.only('conversations'), { next_due_at: at('14:00:00') })
  await inbox.send(await inbox.reply(id, at('16:00:00')), at('16:00:00'))
  for (const clock of await windows()) has(t, clock, { state: 'fulfilled', fulfilled_at: at('16:00:00') })
  const days = { from: at('00:00:00'), to: at('23:00:00') }
  const breaches = await inbox.run(trx => listBreaches(trx, EVERYTHING, days, { limit: 10 }))
  t.same(
    breaches.map(({ due_at }) => due_at),
    [at('14:00:00')],
  )
})

t.test('it warns two hours before, once, and each customer of a thread has a window of their own', async t => {
  const { inbox, deliver, id, windows } = await opened(said('m-1', '09:00:00', '20:00:00'))
  await deliver('09:10:01', said('b-1', '09:10:00', '21:00:00', { author: 'ben' }))
  const warn = (time: string) => inbox.run(trx => warnClocks(trx, at(time), 10))
  t.same([await warn('17:59:59'), await warn('18:00:00'), await warn('18:00:01')], [0, 1, 0])
  const [ana] = (await inbox.everything('messages')).filter(({ external_id }) => external_id === 'm-1')
  await inbox.send(await inbox.reply(id, at('18:10:00'), { in_reply_to: ana!.id }), at('18:10:00'))
  t.same(
    (await windows()).map(({ state }) => state),
    ['fulfilled', 'running'],
  )
})

t.test('no policy, priority or recalculation moves it, and its state pauses nothing', async t => {
  const { inbox, channel, id, windows } = await opened(message('m-0', '08:59:00'))
  await inbox.promise({ targets: { first_response: { seconds: 3600, by_priority: { urgent: 60 } } } })
  await inbox.deliver(channel, [said('m-1', '09:30:00', '12:00:00', { author: 'ben' })], at('09:30:01'))
  const before = await windows()
  for (const fields of [
    { priority: 'urgent' as const },
    { status: 'pending' as const },
    { status: 'resolved' as const },
  ]) {
    const { version } = await inbox.only('conversations')
    await inbox.run(trx => changeConversation(trx, id, fields, version, inbox.agent, at('09:31:00')))
  }
  const page = { after: null, limit: 10, dry_run: false }
  await inbox.run(trx => recalculateClocks(trx, {}, page, inbox.agent, at('09:32:00')))
  const [after] = await windows()
  has(t, after, { ...before[0], due_at: at('12:00:00') } as object)
  const response = (await inbox.everything('sla_clocks')).find(({ metric }) => metric === 'first_response')
  has(t, response, { target_seconds: 60 })
})

t.test('a reply that came back opens the window again', async t => {
  const { inbox, deliver, windows, id } = await opened(said('m-1', '09:00:00', '12:00:00'))
  const queued = await inbox.reply(id, at('09:10:00'))
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:10:01'), permalink: null }
  await inbox.send(queued, at('09:10:01'), sent)
  has(t, await windows(), [{ state: 'fulfilled' }])
  const bounce = { type: 'bounce' as const, external_id: 'r-1', send_token: null, recipient: null, permanent: true }
  const back = { ...bounce, reason: 'Refused', occurred_at: at('09:20:00').toISOString() }
  for (const time of ['09:20:01', '09:20:02']) await deliver(time, back)
  has(t, await windows(), [{ state: 'running', due_at: at('12:00:00'), fulfilled_at: null }])
})

t.test('Merge and split: windows follow who waits', async t => {
  const { inbox, deliver, windows, id } = await opened(said('m-1', '09:00:00', '12:00:00'))
  await deliver('09:05:01', said('n-1', '09:05:00', '13:00:00', { thread_key: 't-2' }))
  await inbox.run(trx => takeConversationNumbers(trx, 100))
  const other = (await inbox.everything('conversations')).find(row => row.id !== id)!
  const merge = { into_id: other.id, into_version: other.version, from_id: id }
  await inbox.run(trx => mergeConversations(trx, merge, inbox.agent, at('09:10:00')))
  const running = async () => (await windows()).filter(({ state }) => state === 'running')
  has(t, await running(), [{ conversation_id: other.id, started_at: at('09:00:00'), due_at: at('13:00:00') }])
  const into = (await inbox.everything('conversations')).find(row => row.id === other.id)!
  const second = (await inbox.everything('messages')).find(({ external_id }) => external_id === 'n-1')!
  const split = { message_ids: [second.id], with_replies: true }
  const apart = await inbox.run(trx =>
    splitConversation(trx, other.id, split, into.version, inbox.agent, at('09:20:00')),
  )
  has(t, await running(), [
    { conversation_id: other.id, due_at: at('12:00:00') },
    { conversation_id: apart, due_at: at('13:00:00') },
  ])
})

t.test('a window of more than a year, or one that closed before it could open, is none', async t => {
  const ages = { ...said('m-1', '09:00:00', null), reply_until: '2999-01-01T00:00:00Z' }
  const closed = said('m-2', '07:00:00', '07:30:00', { author: 'ben' })
  const { windows } = await opened(ages, closed)
  t.same(await windows(), [])
})

t.test('an edit of the message may move it, in any order', async t => {
  const { deliver, windows } = await opened(said('m-1', '09:00:00', '12:00:00'))
  const edited = said('m-1', '09:00:00', '15:00:00', { version_at: at('10:00:00').toISOString(), text: 'more' })
  await deliver('10:00:01', edited)
  has(t, await windows(), [{ due_at: at('15:00:00') }])
  await deliver('10:00:02', said('m-1', '09:00:00', '12:00:00'), edited)
  has(t, await windows(), [{ due_at: at('15:00:00'), state: 'running' }])
  const without = said('m-1', '09:00:00', null, { version_at: at('11:00:00').toISOString(), text: 'most' })
  await deliver('11:00:01', without)
  has(t, await windows(), [{ state: 'cancelled', cancelled_reason: 'window_gone' }])
})

t.test('a reply that would leave after the window is refused', async t => {
  const { inbox, id } = await opened(said('m-1', '09:00:00', '12:00:00'))
  await t.rejects(inbox.reply(id, at('12:00:01')), { code: 'reply_refused' })
})

/** The windows that are open, as the network names what opened them. */
const openIn = (inbox: Inbox, channel: Channel) =>
  inbox.run(trx =>
    trx
      .selectFrom('sla_clocks as k')
      .innerJoin('messages as m', 'm.id', 'k.message_id')
      .innerJoin('contact_identities as i', 'i.contact_id', 'k.contact_id')
      .innerJoin('conversations as v', 'v.id', 'k.conversation_id')
      .select(['i.external_id as who', 'm.external_id', 'k.started_at', 'k.due_at', 'v.next_due_at'])
      .where('v.channel_id', '=', channel.id)
      .where('k.metric', '=', 'network_window')
      .where('k.state', '=', 'running')
      .orderBy('i.external_id')
      .orderBy('k.due_at')
      .execute(),
  )

const minute = fc.integer({ min: 0, max: 59 })
const pad = (number: number) => String(number).padStart(2, '0')
const clockAt = (minutes: number) => `${pad(9 + Math.floor(minutes / 60))}:${pad(minutes % 60)}:00`
const story = fc.record({
  minutes: minute,
  lasts: fc.option(fc.integer({ min: 1, max: 40 }), { freq: 3 }),
  who: fc.constantFrom('ana', 'ana', 'ben', 'us'),
  deleted: fc.boolean(),
})

t.test('in any order of arrival, once or twice, the same windows are open', async t => {
  const inbox = await openInbox()
  let found = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(story, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(100), { minLength: 24, maxLength: 24 }),
      async (stories, places) => {
        const answered = stories.some(({ who }) => who === 'us')
        const events: ConnectorEvent[] = stories.flatMap(({ minutes, lasts, who, deleted }, index) => {
          const us = who === 'us'
          const fields = { author: us ? 'shop' : who, from_us: us, parent_external_id: us ? 'm-0' : null }
          const until = lasts && !us ? clockAt(minutes + lasts) : null
          const one = said(`m-${index}`, clockAt(minutes), until, index === 0 ? { author: 'ana' } : fields)
          // Whether a question was taken back before or after its answer is history.
          return deleted && !answered ? [one, deletion(`m-${index}`, '10:10:00')] : [one]
        })
        const twice = [...events, ...events]
          .map((event, index) => ({ event, place: places[index]! }))
          .sort((a, b) => a.place - b.place)
        const [plain, shuffled] = [await inbox.addChannel(), await inbox.addChannel()]
        await inbox.deliver(plain, events, at('12:00:00'))
        for (const [index, { event }] of twice.entries())
          await inbox.deliver(shuffled, [event], at(`12:00:${pad(index)}`))
        const [expected, state] = [await openIn(inbox, plain), await openIn(inbox, shuffled)]
        if (JSON.stringify(state) !== JSON.stringify(expected))
          throw new Error(`${JSON.stringify(state)} instead of ${JSON.stringify(expected)}`)
        found += expected.length
      },
    ),
    { numRuns: 30 },
  )
  t.ok(found > 0)
})
