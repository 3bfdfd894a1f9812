import { type ActionOutcome, ChannelAuthError, NetworkUnavailable, SendRefused } from '@parley/connectors'
import { queueAction } from '@parley/core'
import { findChannel, findMessage, findMessageAction, listAttempts } from '@parley/db'
import { capabilities, has } from '@parley/testing'
import t, { type Test } from 'tap'
import { send } from '../src/processors/send.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

/** A worker, a question, a like of it that is queued, and a network that answers it as told. */
async function setUp(t: Test, act: () => Promise<ActionOutcome>) {
  let calls = 0
  const connector = fakeConnector({
    act: () => {
      calls += 1
      return act()
    },
  })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel()
  await worker.accept(channel, [comment('m-1')])
  await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  const [message] = await worker.messages()
  const { id: message_id, conversation_id } = message!
  worker.clock.now = at('09:10:00')
  const draft = { conversation_id, message_id, verb: 'like' as const, actor: { type: 'user' as const, id: channel.id } }
  const action = await worker.run(trx =>
    queueAction(trx, draft, () => capabilities({ actions: ['like'] }), worker.clock.now),
  )
  const state = async () => (await worker.run(trx => findMessageAction(trx, action.id)))!
  return {
    worker,
    state,
    calls: () => calls,
    message: () => worker.run(trx => findMessage(trx, message_id)),
    channel: () => worker.run(trx => findChannel(trx, channel.id)),
    attempts: () => worker.run(trx => listAttempts(trx, action.id)),
    actNow: () => send(worker.ctx)({ workspace_id: worker.workspace_id, message_id, action_id: action.id }),
    wake: async () => {
      worker.clock.now = (await state()).next_attempt_at!
    },
  }
}

t.test('an action is done once, however often it is hinted', async t => {
  const { actNow, calls, message, state } = await setUp(t, async () => ({
    outcome: 'sent',
    accepted_at: at('09:10:01'),
  }))
  const outcomes = await Promise.all(Array.from({ length: 8 }, actNow))
  t.equal(outcomes.filter(outcome => outcome === 'sent').length, 1)
  t.equal(calls(), 1)
  has(t, await message(), { liked_at: at('09:10:01') })
  has(t, await state(), { state: 'sent', next_attempt_at: null })
})

t.test('one of which nobody knows the end is done again, ever later, and then left to a person', async t => {
  const { actNow, calls, state, wake, attempts, worker } = await setUp(t, () => Promise.reject(new Error('reset')))
  let last = 0
  await actNow()
  while ((await state()).next_attempt_at) {
    const { next_attempt_at, state: name } = await state()
    t.equal(name, 'unknown')
    const pause = next_attempt_at!.getTime() - worker.clock.now.getTime()
    t.ok(pause > last, `${pause} ms`)
    last = pause
    await wake()
    // The breaker of the channel may make it wait longer.
    while ((await actNow()) === 'channel_not_ready') await wake()
  }
  t.equal(calls(), 8)
  t.same(
    (await attempts()).map(({ number, outcome }) => [number, outcome]),
    [1, 2, 3, 4, 5, 6, 7, 8].map(number => [number, 'unknown']),
  )
  t.equal((await worker.log()).filter(type => type === 'action.unknown').length, 1)
})

t.test('what the network refuses is told, what it cannot do now is done later', async t => {
  let answer: () => Promise<ActionOutcome> = () => Promise.reject(new NetworkUnavailable('down', at('09:12:00')))
  const { actNow, state, wake, channel } = await setUp(t, () => answer())
  t.equal(await actNow(), 'retry')
  has(t, await state(), { state: 'queued', next_attempt_at: at('09:12:00') })
  await wake()
  answer = () => Promise.reject(new ChannelAuthError('Revoked.'))
  t.equal(await actNow(), 'retry')
  has(t, await channel(), { status: 'disabled' }, 'the channel is stopped, the action is kept')
  has(t, await state(), { state: 'queued' })
  const other = await setUp(t, () => Promise.reject(new SendRefused('You cannot like this.')))
  t.equal(await other.actNow(), 'rejected')
  has(t, await other.state(), { state: 'rejected', state_reason: 'You cannot like this.' })
})
