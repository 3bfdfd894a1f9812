import { randomUUID } from 'node:crypto'
import type { ConnectorEvent } from '@parley/contracts'
import {
  assignConversation,
  beginSendAttempt,
  breachClocks,
  changePolicy,
  createPolicy,
  finishSendAttempt,
  recalculateClocks,
  tagConversation,
} from '@parley/core'
import type { Channel } from '@parley/db'
import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, CONNECTED, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const POST = { external_id: 'p-1', from_us: true }

const on = (external_id: string, time: string, fields: Parameters<typeof message>[2] = {}) =>
  message(external_id, time, { post: POST, ...fields })
const ours = (external_id: string, time: string, fields: Parameters<typeof message>[2] = {}) =>
  on(external_id, time, { from_us: true, author: 'shop', ...fields })

/** Ana, Ben and Cy ask under a post of ours. */
const ASKED = [
  on('ana-1', '09:00:00'),
  on('ben-1', '09:05:00', { author: 'ben' }),
  on('cy-1', '09:10:00', { author: 'cy', parent_external_id: 'ana-1' }),
]

async function asked(top_level_reply_answers_all: boolean) {
  const inbox = await openInbox()
  const policy = await inbox.promise({ top_level_reply_answers_all })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, ASKED, at('09:10:01'))
  const { id } = await inbox.only('conversations')
  return { inbox, policy, channel, id }
}

const openOf = async (inbox: Inbox) =>
  (await inbox.everything('waits')).filter(({ closed_at }) => !closed_at).map(({ opened_at }) => opened_at)

t.test(
  'answering Ana does not close Ben’s wait in the same public thread, unless the policy says a top-level reply answers all',
  async t => {
    for (const option of [false, true]) {
      const { inbox, channel } = await asked(option)
      await inbox.deliver(channel, [ours('to-ana', '09:20:00', { parent_external_id: 'ana-1' })], at('09:20:01'))
      t.equal((await openOf(inbox)).length, 2, 'an answer to one is to one, whatever the policy says')
      await inbox.deliver(channel, [ours('to-all', '09:30:00')], at('09:30:01'))
      const clocks = await inbox.everything('sla_clocks')
      if (option) {
        t.same(await openOf(inbox), [])
        const toAll = (await inbox.everything('messages')).find(({ external_id }) => external_id === 'to-all')!
        const theirs = clocks.filter(({ started_at }) => started_at > at('09:00:00'))
        t.equal(theirs.length, 2)
        for (const clock of theirs)
          has(t, clock, { state: 'fulfilled', fulfilled_at: at('09:30:00'), fulfilled_by_message_id: toAll.id })
        has(t, await inbox.only('conversations'), { status: 'pending', waiting_since: null, next_due_at: null })
      } else {
        t.same((await openOf(inbox)).length, 2)
        t.equal(clocks.filter(({ state }) => state === 'running').length, 2)
      }
    }
  },
)

t.test('at the top is what is public, and under the post itself: not the post, nor what few can read', async t => {
  const cases: [string, Parameters<typeof message>[2], number][] = [
    ['under nothing', {}, 0],
    ['under the post', { parent_external_id: 'p-1' }, 0],
    ['under an answer of ours to Ana', { parent_external_id: 'to-ana' }, 2],
    ['under what has not reached us', { parent_external_id: 'somebodys' }, 2],
    ['to few', { visibility: 'private' }, 2],
    ['the post', { external_id: 'p-1' }, 2],
  ]
  for (const [name, fields, left] of cases) {
    const { inbox, channel } = await asked(true)
    await inbox.deliver(channel, [ours('to-ana', '09:20:00', { parent_external_id: 'ana-1' })], at('09:20:01'))
    await inbox.deliver(channel, [ours('more', '09:30:00', fields)], at('09:30:01'))
    t.equal((await openOf(inbox)).length, left, name)
  }
  const inbox = await openInbox()
  await inbox.promise({ top_level_reply_answers_all: true })
  const channel = await inbox.addChannel()
  const theirs = { post: { external_id: 'p-1', from_us: false } }
  await inbox.deliver(
    channel,
    ASKED.map(message => ({ ...message, ...theirs })),
    at('09:10:01'),
  )
  await inbox.deliver(channel, [ours('to-dee', '09:30:00', { ...theirs, parent_external_id: 'p-1' })], at('09:30:01'))
  t.equal((await openOf(inbox)).length, 3, 'under what a customer posted')
})

t.test('a late one is both, breached and fulfilled, and the breach stays whose it was', async t => {
  const { inbox, channel, id } = await asked(true)
  await inbox.run(trx => breachClocks(trx, at('10:00:01'), 10))
  await inbox.run(trx => assignConversation(trx, id, { from: null, to: inbox.agent.id }, inbox.agent, at('10:01:00')))
  await inbox.deliver(channel, [ours('to-all', '10:05:00')], at('10:05:01'))
  const clocks = (await inbox.everything('sla_clocks')).sort((a, b) => +a.started_at - +b.started_at)
  const [ana, ben] = clocks
  has(t, ana, { state: 'fulfilled', breached_at: at('10:00:00'), owner_id: null })
  has(t, ben, { state: 'fulfilled', breached_at: null, owner_id: inbox.agent.id, fulfilled_at: at('10:05:00') })
})

t.test(
  'what was said before the clocks came under the policy answers nobody by it, and what is said later does',
  async t => {
    const moved = {
      async recalculated({ inbox, policy }: Awaited<ReturnType<typeof asked>>) {
        const change = { top_level_reply_answers_all: true }
        await inbox.run(trx => changePolicy(trx, policy.id, change, 1, inbox.agent, at('09:25:00')))
        await inbox.run(trx =>
          recalculateClocks(trx, {}, { after: null, limit: 10, dry_run: false }, inbox.agent, at('09:25:00')),
        )
      },
      async entered({ inbox, policy, id }: Awaited<ReturnType<typeof asked>>) {
        const draft = {
          ...{ name: randomUUID(), position: 1, enabled: true, calendar_id: policy.calendar_id },
          ...{ conditions: { tag: ['storm'] }, enforce_from: new Date(0), top_level_reply_answers_all: true },
          targets: { first_response: { seconds: 7200 } },
        }
        await inbox.run(trx => createPolicy(trx, draft, inbox.agent, CONNECTED))
        await inbox.run(trx => tagConversation(trx, id, 'Storm', inbox.agent, at('09:25:00')))
      },
    }
    for (const [name, move] of Object.entries(moved)) {
      const given = await asked(false)
      const { inbox, channel } = given
      await inbox.deliver(channel, [ours('to-all', '09:20:00')], at('09:20:01'))
      await move(given)
      await inbox.deliver(channel, [on('dee-1', '09:26:00', { author: 'dee' })], at('09:26:01'))
      t.equal((await openOf(inbox)).length, 4, `${name}: what had been said`)
      await inbox.deliver(channel, [ours('again', '09:30:00')], at('09:30:01'))
      t.same(await openOf(inbox), [], `${name}: what is said then`)
    }
  },
)

t.test('editing a policy makes a new version, and clocks that began keep the say of theirs', async t => {
  const { inbox, channel, policy } = await asked(true)
  await inbox.run(trx =>
    changePolicy(trx, policy.id, { top_level_reply_answers_all: false }, 1, inbox.agent, at('09:15:00')),
  )
  await inbox.deliver(channel, [on('dee-1', '09:16:00', { author: 'dee' })], at('09:16:01'))
  await inbox.deliver(channel, [ours('to-all', '09:30:00')], at('09:30:01'))
  t.same(await openOf(inbox), [at('09:16:00')])
})

t.test('a reply that came back puts all waits back that it had ended', async t => {
  const { inbox, channel, id } = await asked(true)
  const clocks = async () =>
    (await inbox.everything('sla_clocks')).map(({ state, due_at, fulfilled_at }) => ({ state, due_at, fulfilled_at }))
  const before = await clocks()
  // It leaves by an integration that posts it beside the post, and shows it before its call has returned.
  const reply = await inbox.reply(id, at('09:20:00'))
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:20:00')))
  await inbox.deliver(channel, [ours('r-1', '09:20:01')], at('09:20:02'))
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:20:01'), permalink: null }
  await inbox.run(trx => finishSendAttempt(trx, attempt!, sent, at('09:20:03')))
  t.same(await openOf(inbox), [])
  const bounce = { type: 'bounce' as const, external_id: 'r-1', send_token: null, recipient: null }
  const back = { ...bounce, reason: 'Refused', permanent: true, occurred_at: at('09:21:00').toISOString() }
  for (const time of ['09:21:01', '09:21:02']) {
    await inbox.deliver(channel, [back], at(time))
    t.equal((await openOf(inbox)).length, 3)
    t.same(await clocks(), before)
  }
  await inbox.deliver(channel, [ours('to-all', '09:40:00')], at('09:40:01'))
  t.same(await openOf(inbox), [])
})

t.test('an answer that came back leaves who was told from the top meanwhile answered by that', async t => {
  const { inbox, channel, id } = await asked(true)
  const queued = await inbox.reply(id, at('09:20:00'))
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:20:01'), permalink: null }
  await inbox.send(queued, at('09:20:01'), sent)
  await inbox.deliver(channel, [ours('to-all', '09:30:00')], at('09:30:01'))
  const bounce = { type: 'bounce' as const, external_id: 'r-1', send_token: null, recipient: null }
  const back = { ...bounce, reason: 'Refused', permanent: true, occurred_at: at('09:40:00').toISOString() }
  await inbox.deliver(channel, [back], at('09:40:01'))
  t.same(await openOf(inbox), [])
  for (const clock of await inbox.everything('sla_clocks'))
    has(t, clock, { state: 'fulfilled', fulfilled_at: at('09:30:00') })
})

/** Who waits since when under which clock, and what is answered by what, as the network names it. */
const stateOf = (inbox: Inbox, channel: Channel) =>
  inbox.run(async trx => ({
    waits: await trx
      .selectFrom('waits as w')
      .innerJoin('conversations as v', 'v.id', 'w.conversation_id')
      .innerJoin('contact_identities as i', 'i.contact_id', 'w.contact_id')
      .leftJoin('sla_clocks as c', join => join.onRef('c.wait_id', '=', 'w.id').on('c.state', '=', 'running'))
      .select(['i.external_id', 'w.opened_at', 'c.started_at', 'c.due_at', 'c.top_level_since'])
      .where('v.channel_id', '=', channel.id)
      .where('w.closed_at', 'is', null)
      .orderBy('i.external_id')
      .execute(),
    messages: await trx
      .selectFrom('messages as m')
      .leftJoin('messages as a', 'a.id', 'm.answered_by_id')
      .select(['m.external_id', 'm.disposition', 'a.external_id as answered_by'])
      .where('m.channel_id', '=', channel.id)
      .orderBy('m.external_id')
      .execute(),
    conversations: await trx
      .selectFrom('conversations')
      .select(['status', 'waiting_since', 'next_due_at'])
      .where('channel_id', '=', channel.id)
      .execute(),
  }))

const minute = fc.integer({ min: 0, max: 59 }).map(minutes => `09:${String(minutes).padStart(2, '0')}:00`)
const said = fc.record({
  time: minute,
  who: fc.constantFrom('ana', 'ben', 'cy', 'us', 'us'),
  parent: fc.constantFrom(null, null, 'p-1', 'm-0'),
})

t.test('in any order of arrival, once or twice, the same are answered', async t => {
  const inbox = await openInbox()
  await inbox.promise({ top_level_reply_answers_all: true })
  let answeredAll = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(said, { minLength: 2, maxLength: 6 }),
      fc.array(fc.nat(100), { minLength: 12, maxLength: 12 }),
      async (all, places) => {
        const [first] = all
        const events: ConnectorEvent[] = all.map(({ time, who, parent }, index) => {
          // An answer names a message of somebody else that there was by then.
          const named = parent === 'm-0' && (index === 0 || who === first!.who || time < first!.time) ? null : parent
          const fields = { parent_external_id: named, author: who === 'us' ? 'shop' : who, from_us: who === 'us' }
          return on(`m-${index}`, time, fields)
        })
        const twice = [...events, ...events]
          .map((event, index) => ({ event, place: places[index]! }))
          .sort((a, b) => a.place - b.place)
          .map(({ event }) => event)
        const [plain, shuffled] = [await inbox.addChannel(), await inbox.addChannel()]
        await inbox.deliver(plain, events, at('10:30:00'))
        for (const [index, event] of twice.entries())
          await inbox.deliver(shuffled, [event], at(`10:30:${String(index).padStart(2, '0')}`))
        const [expected, state] = [await stateOf(inbox, plain), await stateOf(inbox, shuffled)]
        if (JSON.stringify(state) !== JSON.stringify(expected))
          throw new Error(`${JSON.stringify(state)} instead of ${JSON.stringify(expected)}`)
        const answers = expected.messages.map(({ answered_by }) => answered_by).filter(Boolean)
        answeredAll += +(answers.length > new Set(answers).size)
        for (const { opened_at } of state.waits)
          for (const [index, { who, time, parent }] of all.entries())
            if (who === 'us' && parent !== 'm-0' && at(time) >= opened_at)
              throw new Error(`m-${index} was to answer who waits since ${opened_at.toISOString()}`)
      },
    ),
    { numRuns: 30 },
  )
  t.ok(answeredAll > 0, 'some answered several')
})
