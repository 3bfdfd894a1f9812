import {
  ChannelAuthError,
  type Connector,
  type FindSentOutcome,
  NetworkUnavailable,
  type PreparedSend,
  type SendOutcome,
  SendRefused,
} from '@parley/connectors'
import { findChannel, findLatestAttempt, findMessage, type Message, openDatabase, updateChannel } from '@parley/db'
import { capabilities, has } from '@parley/testing'
import t, { type Test } from 'tap'
import { send } from '../src/processors/send.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

/** What a network does when it is called; each call is counted under its name. */
type Network = {
  prepare?: () => Promise<PreparedSend>
  send?: () => Promise<SendOutcome>
  findSent?: () => Promise<FindSentOutcome>
}

const sentAt = (time: string, external_id = 'their-1'): SendOutcome & FindSentOutcome => ({
  outcome: 'sent',
  external_id,
  accepted_at: at(time),
  permalink: 'https://network.example/their-1',
})
const unknown = { outcome: 'unknown' as const, reason: 'Timed out.' }

/** A worker, a question of Ana's, an agent's reply to it, and the network the reply is for. */
async function setUp(t: Test, network: Network, fields: Partial<Connector> = {}) {
  const calls: string[] = []
  const sentBodies: PreparedSend[] = []
  const connector = fakeConnector({
    prepare: async (_channel, reply) => {
      calls.push('prepare')
      return network.prepare
        ? network.prepare()
        : { text: reply.text, to: reply.in_reply_to?.external_id, key: 'chosen' }
    },
    send: async (_channel, prepared) => {
      calls.push('send')
      sentBodies.push(prepared)
      return network.send!()
    },
    ...(network.findSent
      ? {
          findSent: async (_channel, prepared) => {
            calls.push('findSent')
            sentBodies.push(prepared)
            return network.findSent!()
          },
        }
      : {}),
    ...fields,
  })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel()
  await worker.accept(channel, [comment('m-1')])
  await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  worker.clock.now = at('09:05:00')
  const reply = await worker.reply()
  const now = async (message: Message = reply) => (await worker.run(trx => findMessage(trx, message.id)))!
  return {
    worker,
    channel,
    reply,
    now,
    calls,
    sentBodies,
    attempt: () => worker.run(trx => findLatestAttempt(trx, reply.id)),
    wait: () => worker.run(trx => trx.selectFrom('waits').selectAll().executeTakeFirstOrThrow()),
    sendNow: (message: Message = reply, ctx = worker.ctx) =>
      send(ctx)({ workspace_id: worker.workspace_id, message_id: message.id }),
    /** Goes to the moment at which the reply is to be looked at next. */
    wake: async () => {
      const { next_attempt_at } = await now()
      if (!next_attempt_at) throw new Error('the reply is left to a person')
      worker.clock.now = next_attempt_at
    },
  }
}

t.test('a reply that the network accepts is sent once, however often it is hinted', async t => {
  const { sendNow, now, calls, sentBodies, wait, worker } = await setUp(t, { send: async () => sentAt('09:05:00') })
  const other = openDatabase({ url: worker.url, poolSize: 4 })
  t.teardown(() => other.close())
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, index) => sendNow(undefined, index % 2 ? worker.ctx : worker.contextOn(other))),
  )
  t.equal(outcomes.filter(outcome => outcome === 'sent').length, 1)
  t.equal(calls.filter(call => call === 'send').length, 1)
  t.same(sentBodies, [{ text: 'It arrives today.', to: 'm-1', key: 'chosen' }])
  has(t, await now(), { state: 'sent', external_id: 'their-1', next_attempt_at: null })
  t.same((await wait()).closed_at, at('09:05:00'))
  t.equal(await sendNow(), 'not_due')
  t.ok(worker.woken.length > 0)
})

t.test('the attempt is committed, and no transaction is open, while the network is called', async t => {
  const seen: Record<string, unknown>[] = []
  const look = async () => {
    const { rows } = await worker.db.pool.query(
      "select count(*) as open from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
    )
    seen.push({ open: Number(rows[0].open), state: (await now()).state, prepared: (await attempt())?.prepared ?? null })
  }
  const setup = await setUp(t, {
    prepare: async () => {
      await look()
      return { frozen: true }
    },
    send: async () => {
      await look()
      return unknown
    },
    findSent: async () => {
      await look()
      return { outcome: 'not_found' }
    },
  })
  const { worker, now, attempt, sendNow, wake } = setup
  await sendNow()
  await wake()
  await sendNow()
  t.same(seen, [
    { open: 0, state: 'queued', prepared: null },
    { open: 0, state: 'sending', prepared: { frozen: true } },
    { open: 0, state: 'unknown', prepared: { frozen: true } },
  ])
})

t.test('a refusal of the network is the end, with its reason', async t => {
  const { sendNow, now, wait, worker } = await setUp(t, {
    send: async () => ({ outcome: 'rejected', reason: 'The thread is locked.' }),
  })
  t.equal(await sendNow(), 'rejected')
  has(t, await now(), { state: 'rejected', state_reason: 'The thread is locked.', next_attempt_at: null })
  t.equal((await wait()).closed_at, null)
  t.ok((await worker.log()).includes('reply.rejected'))
})

t.test('a network that asks to wait gets the same reply later', async t => {
  let outcome: SendOutcome = { outcome: 'retry', reason: '429', retry_at: at('09:30:00') }
  const { sendNow, now, channel, worker, calls, wake } = await setUp(t, { send: async () => outcome })
  t.equal(await sendNow(), 'retry')
  has(t, await now(), { state: 'queued', next_attempt_at: at('09:30:00') })
  has(t, await worker.channelNow(channel), { send_resume_at: at('09:30:00'), resume_at: null })
  worker.clock.now = at('09:05:01')
  const second = await worker.reply()
  t.equal(await sendNow(second), 'channel_not_ready')
  t.equal(calls.filter(call => call === 'send').length, 1, 'the whole channel writes nothing')
  const { next_attempt_at } = (await worker.run(trx => findMessage(trx, second.id)))!
  t.ok(next_attempt_at! >= at('09:30:00'), 'and it is not looked at before')
  await wake()
  outcome = sentAt('09:30:00')
  t.equal(await sendNow(), 'sent')
  t.same(worker.hints.at(-1), {
    queue: 'send',
    job: { workspace_id: worker.workspace_id, message_id: second.id },
  })
})

t.test('a call that throws may have arrived: the reply is unknown, and nothing is sent again by itself', async t => {
  const errors = [new Error('socket hang up'), new TypeError('a bug')]
  for (const error of errors) {
    const { sendNow, now, calls, wait } = await setUp(t, { send: () => Promise.reject(error) })
    t.equal(await sendNow(), 'unknown', error.name)
    has(t, await now(), { state: 'unknown', next_attempt_at: null }, 'this network cannot be asked')
    t.equal(await sendNow(), 'not_due')
    t.same(calls, ['prepare', 'send'])
    t.equal((await wait()).closed_at, null)
  }
})

t.test('an account that is refused while sending is disabled, and the reply waits for it', async t => {
  const { sendNow, now, calls, worker, channel } = await setUp(t, {
    send: () => Promise.reject(new ChannelAuthError('Revoked.')),
  })
  t.equal(await sendNow(), 'retry')
  has(t, await now(), { state: 'queued', state_reason: 'Revoked.' })
  has(t, await worker.run(trx => findChannel(trx, channel.id)), { status: 'disabled' })
  t.same(calls, ['prepare', 'send'])
})

t.test('a worker that died while sending is taken over: the network is asked, not told again', async t => {
  let die = () => {}
  const died = new Promise<SendOutcome>((_, reject) => {
    die = () => reject(new Error('died'))
  })
  const { sendNow, now, calls, wake, worker, wait } = await setUp(t, {
    send: () => died,
    findSent: async () => sentAt('09:05:00'),
  })
  const zombie = sendNow()
  while (!calls.includes('send')) await worker.messages()
  t.equal(await sendNow(), 'not_due', 'while the lease lasts it may still be talking')
  await wake()
  t.equal(await sendNow(), 'sent')
  t.same(calls, ['prepare', 'send', 'findSent'])
  has(t, await now(), { state: 'sent', external_id: 'their-1' })
  die()
  await zombie
  has(t, await now(), { state: 'sent', external_id: 'their-1' }, 'what the old worker believes is not recorded')
  t.same((await wait()).closed_at, at('09:05:00'))
})

t.test('a lost answer is found by asking the network', async t => {
  const { sendNow, now, calls, wake } = await setUp(t, {
    send: () => Promise.reject(new Error('socket hang up')),
    findSent: async () => sentAt('09:05:00'),
  })
  await sendNow()
  has(t, await now(), { state: 'unknown', next_attempt_at: at('09:05:05') })
  await wake()
  t.equal(await sendNow(), 'sent')
  t.same(calls, ['prepare', 'send', 'findSent'])
  t.equal((await now()).state, 'sent')
})

t.test('where a repeat is the same post, the very same request is sent again', async t => {
  let answer: () => Promise<SendOutcome> = () => Promise.reject(new Error('socket hang up'))
  const network = { send: () => answer(), findSent: async () => ({ outcome: 'not_found' as const }) }
  const { sendNow, calls, sentBodies, wake, now, attempt } = await setUp(t, network, {
    capabilities: () => capabilities({ idempotency: 'chosen_key' }),
  })
  await sendNow()
  await wake()
  answer = async () => sentAt('09:05:05')
  t.equal(await sendNow(), 'sent')
  t.same(calls, ['prepare', 'send', 'findSent', 'send'], 'prepared once')
  t.same(sentBodies[2], sentBodies[0])
  has(t, await attempt(), { number: 1, looks: 1, outcome: 'sent' })
  t.equal((await now()).state, 'sent')
})

t.test('where the network knows a repeat by its header for an hour, it is repeated for fifty minutes', async t => {
  for (const [later, calls, outcome] of [
    [at('09:54:59'), ['prepare', 'send', 'findSent', 'send'], 'sent'],
    [at('09:55:00'), ['prepare', 'send', 'findSent'], 'unknown'],
  ] as const) {
    let answer = unknown as SendOutcome
    const network = { send: async () => answer, findSent: async () => ({ outcome: 'not_found' as const }) }
    const fields = { capabilities: () => capabilities({ idempotency: 'header_key' }) }
    const setup = await setUp(t, network, fields)
    await setup.sendNow()
    answer = sentAt('09:54:59') as SendOutcome
    setup.worker.clock.now = later
    t.equal(await setup.sendNow(), outcome)
    t.same(setup.calls, calls)
  }
})

t.test('a worker that was asleep calls nobody any more when it wakes up', async t => {
  const { sendNow, now, calls, worker } = await setUp(t, {
    send: async () => sentAt('09:05:00'),
    findSent: async () => ({ outcome: 'not_found' }),
  })
  const { db } = worker.ctx
  // It falls asleep when its attempt is committed, and wakes up half a minute later.
  const sleepy = Object.create(db, {
    inWorkspace: {
      value: async (workspace_id: string, work: Parameters<typeof db.inWorkspace>[1]) => {
        const result = await db.inWorkspace(workspace_id, work)
        if ((await now()).state === 'sending') worker.clock.now = at('09:05:30')
        return result
      },
    },
  })
  t.equal(await sendNow(undefined, { ...worker.ctx, db: sleepy }), 'unknown')
  t.same(calls, ['prepare'], 'nothing was sent')
  has(t, await now(), { state: 'unknown', state_reason: /held up/ })
})

t.test('where a repeat is a second post, what the network does not show stays unknown', async t => {
  const { sendNow, calls, wake, now } = await setUp(t, {
    send: async () => unknown,
    findSent: async () => ({ outcome: 'not_found' }),
  })
  await sendNow()
  await wake()
  t.equal(await sendNow(), 'unknown')
  t.same(calls, ['prepare', 'send', 'findSent'])
  t.equal((await now()).state, 'unknown')
})

t.test('the network is asked ever later, and not for ever', async t => {
  for (const findSent of [async () => unknown, () => Promise.reject(new Error('down'))]) {
    const { sendNow, calls, wake, now, worker } = await setUp(t, { send: async () => unknown, findSent })
    await sendNow()
    let last = 0
    while ((await now()).next_attempt_at) {
      const pause = (await now()).next_attempt_at!.getTime() - worker.clock.now.getTime()
      t.ok(pause > last, `${pause} ms`)
      last = pause
      await wake()
      t.equal(await sendNow(), 'unknown')
    }
    t.equal(calls.filter(call => call === 'findSent').length, 8)
    t.equal(calls.filter(call => call === 'send').length, 1)
    t.equal((await worker.log()).filter(type => type === 'reply.unknown').length, 1)
  }
})

t.test('a reply that cannot be prepared goes back to its author with the reason', async t => {
  const { sendNow, now, calls, attempt } = await setUp(t, {
    prepare: () => Promise.reject(new SendRefused('The text has a link too many.')),
  })
  t.equal(await sendNow(), 'not_prepared')
  has(t, await now(), { state: 'rejected', state_reason: 'The text has a link too many.', next_attempt_at: null })
  t.same(calls, ['prepare'])
  t.equal(await attempt(), undefined)
})

t.test('a network that lets us in no more disables the channel; the reply waits for whoever repairs it', async t => {
  let broken = true
  const { sendNow, now, channel, worker, calls, wake } = await setUp(t, {
    prepare: async () => {
      if (broken) throw new ChannelAuthError('The app password was revoked.')
      return {}
    },
    send: async () => sentAt('09:06:00'),
  })
  t.equal(await sendNow(), 'not_prepared')
  has(t, await worker.channelNow(channel), { status: 'disabled', status_reason: 'The app password was revoked.' })
  t.equal((await now()).state, 'queued')
  t.ok((await worker.log()).includes('channel.disabled'))
  await wake()
  t.equal(await sendNow(), 'channel_not_ready')
  t.same(calls, ['prepare'], 'a disabled channel is left alone')
  broken = false
  await worker.run(trx => updateChannel(trx, channel.id, { status: 'active' }))
  await wake()
  t.equal(await sendNow(), 'sent')
})

t.test('a network that cannot be reached is tried later: when it said, or in half a minute', async t => {
  let error: Error = new NetworkUnavailable('Down for maintenance.', at('09:45:00'))
  const { sendNow, now, wake, attempt } = await setUp(t, { prepare: () => Promise.reject(error) })
  t.equal(await sendNow(), 'not_prepared')
  has(t, await now(), { state: 'queued', next_attempt_at: at('09:45:00') })
  await wake()
  error = new NetworkUnavailable('No connection.', null)
  await sendNow()
  has(t, await now(), { state: 'queued', next_attempt_at: at('09:45:30') })
  await wake()
  error = new TypeError('a bug')
  await t.rejects(sendNow(), { message: 'a bug' })
  has(t, await now(), { state: 'queued', next_attempt_at: at('09:46:00') }, 'a bug does not turn into a hot loop')
  t.equal(await attempt(), undefined)
})
