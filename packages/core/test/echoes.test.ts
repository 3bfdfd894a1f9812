import { applyInbound, beginSendAttempt, finishSendAttempt } from '@parley/core'
import { has } from '@parley/testing'
import t, { type Test } from 'tap'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** A customer waits since nine; an agent's reply is queued at five past. */
async function setUp() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:10'))
  const conversation = await inbox.only('conversations')
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const ours = async () => (await inbox.everything('messages')).filter(row => row.direction === 'outbound')
  return { inbox, channel, reply, ours }
}

const echo = (external_id: string, time: string, fields = {}) =>
  message(external_id, time, { from_us: true, parent_external_id: 'm-1', text: 'It arrives today.', ...fields })

async function isSentOnce(t: Test, { inbox, ours }: Awaited<ReturnType<typeof setUp>>, accepted_at: Date) {
  const [sent, ...others] = await ours()
  has(t, sent, { state: 'sent', external_id: 'r-1', author_type: 'user', occurred_at: accepted_at })
  t.same(others, [], 'one message, however often it is told')
  has(t, await inbox.only('waits'), { closed_at: accepted_at, closed_by_message_id: sent!.id })
  t.equal((await inbox.log()).filter(type => type === 'reply.sent').length, 1)
}

t.test('an echo that comes after the network has answered changes nothing', async t => {
  const all = await setUp()
  const { inbox, channel, reply } = all
  const accepted_at = at('09:06:00')
  await inbox.send(reply, accepted_at, { outcome: 'sent', external_id: 'r-1', accepted_at, permalink: null })
  const before = await inbox.log()
  await inbox.deliver(channel, [echo('r-1', '09:06:00'), echo('r-1', '09:06:00')], at('09:07:00'))
  t.same(await inbox.log(), before)
  await isSentOnce(t, all, accepted_at)
})

t.test(
  'an echo by the id we chose, or by its token, tells that the reply is sent before the call has returned',
  async t => {
    for (const known of ['id', 'token'] as const) {
      await t.test(known, async t => {
        const all = await setUp()
        const { inbox, channel, reply } = all
        const expected_id = known === 'id' ? 'r-1' : null
        const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, expected_id, at('09:06:00')))
        const send_token = known === 'token' ? reply.id : null
        await inbox.deliver(channel, [echo('r-1', '09:06:01', { send_token })], at('09:06:02'))
        await isSentOnce(t, all, at('09:06:01'))

        const late = { outcome: 'unknown' as const, reason: 'The answer was lost.', look_again_at: at('09:08:00') }
        await inbox.run(trx => finishSendAttempt(trx, attempt!, late, at('09:07:00')))
        await isSentOnce(t, all, at('09:06:01'))
      })
    }
  },
)

t.test('an echo that nothing tells apart from a native answer is taken for one, until the call returns', async t => {
  const all = await setUp()
  const { inbox, channel, reply, ours } = all
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:06:00')))
  await inbox.deliver(channel, [echo('r-1', '09:06:01')], at('09:06:02'))
  t.same((await ours()).map(row => [row.author_type, row.state]).sort(), [
    ['native', 'sent'],
    ['user', 'sending'],
  ])
  const accepted_at = at('09:06:01')
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at, permalink: null }
  await inbox.run(trx => finishSendAttempt(trx, attempt!, sent, at('09:06:03')))
  const [only, ...others] = await ours()
  t.same(others, [])
  has(t, only, { id: reply.id, state: 'sent', external_id: 'r-1' })
  has(t, await inbox.only('waits'), { closed_at: accepted_at, closed_by_message_id: reply.id })
  await inbox.deliver(channel, [echo('r-1', '09:06:01')], at('09:09:00'))
  t.equal((await ours()).length, 1)
})

t.test(
  'an answer typed in the network\u2019s own app ends the wait of whom it answers, and nobody else\u2019s',
  async t => {
    for (const order of ['as they were said', 'the answer first'] as const) {
      await t.test(order, async t => {
        const inbox = await openInbox()
        await inbox.promise()
        const channel = await inbox.addChannel()
        const said = [
          message('m-1', '09:00:00'),
          message('m-2', '09:01:00', { author: 'bea' }),
          echo('n-1', '09:10:00', { text: 'Tomorrow!' }),
        ]
        for (const event of order === 'as they were said' ? said : said.toReversed())
          await inbox.deliver(channel, [event], at('09:20:00'))
        const waits = await inbox.everything('waits')
        const open = waits.filter(wait => wait.closed_at === null)
        has(t, open, [{ opened_at: at('09:01:00') }])
        has(
          t,
          waits.filter(wait => wait.closed_at !== null),
          [{ opened_at: at('09:00:00'), closed_at: at('09:10:00') }],
        )
        has(t, await inbox.only('conversations'), { status: 'open', waiting_since: at('09:01:00') })
      })
    }
  },
)

t.test('history starts no clock and opens nothing, until the same message comes by itself', async t => {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '08:30:00')], at('09:00:00'), 'backfill')
  has(t, await inbox.only('conversations'), { status: 'resolved', waiting_since: null })
  t.same(await inbox.everything('waits'), [])
  t.same(await inbox.everything('sla_clocks'), [])
  await inbox.deliver(channel, [message('m-1', '08:30:00')], at('09:01:00'), 'backfill')
  t.same(await inbox.everything('waits'), [], 'however often it is read')

  await inbox.deliver(channel, [message('m-1', '08:30:00')], at('09:02:00'))
  has(t, await inbox.only('conversations'), { status: 'open', waiting_since: at('08:30:00') })
  t.equal((await inbox.everything('waits')).length, 1)
})

t.test('every version of a message is kept, and events that bring none add none', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const version = (time: string, text: string) =>
    message('m-1', '09:00:00', { version_at: at(time).toISOString(), text })
  const row = { lane: 0, source: 'webhook' as const, received_at: at('09:30:00') }
  const apply = (events: ReturnType<typeof version>[]) => {
    const batch = events.map(event => ({ ...row, id: crypto.randomUUID(), event }))
    return inbox.run(trx => applyInbound(trx, channel, batch, inbox.nextNumber, at('09:31:00')))
  }
  await apply([version('09:10:00', 'two')])
  await apply([version('09:00:00', 'one'), version('09:20:00', 'three'), version('09:10:00', 'two')])
  await apply([version('09:20:00', 'three'), version('09:00:00', 'one')])
  has(t, await inbox.only('messages'), { body: 'three', version_at: at('09:20:00'), edited_at: at('09:20:00') })
  const kept = await inbox.run(trx =>
    trx.selectFrom('message_versions').select(['version_at', 'body']).orderBy('version_at').execute(),
  )
  has(t, kept, [
    { version_at: at('09:00:00'), body: 'one' },
    { version_at: at('09:10:00'), body: 'two' },
  ])
  t.equal(kept.length, 2)
})
