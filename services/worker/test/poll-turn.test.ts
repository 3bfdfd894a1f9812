import {
  ChannelAuthError,
  type ConnectedChannel,
  type ConnectorContext,
  NetworkUnavailable,
  type PollPage,
} from '@parley/connectors'
import { channelContext, seal } from '@parley/core'
import { hastenPollTurn, listChannelsToPoll, openDatabase, updateChannel } from '@parley/db'
import { has, TEST_SECRET_KEY } from '@parley/testing'
import t, { type Test } from 'tap'
import { TURN_LIMITS } from '../src/polling/turn.ts'
import { sweep } from '../src/processors/housekeeping.ts'
import { poll } from '../src/processors/poll.ts'
import { at, comment, fakeConnector, openWorker } from './processing.ts'

type Cursor = Record<string, unknown> | null
type Poll = (cursor: Cursor, channel: ConnectedChannel, context: ConnectorContext) => Promise<PollPage>

async function setUp(t: Test, answer: { poll: Poll }) {
  const connector = fakeConnector({ poll: (channel, cursor, context) => answer.poll(cursor, channel, context) })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel({ next_poll_at: worker.clock.now })
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  return { worker, channel, job, pollNow: () => poll(worker.ctx)(job), now: () => worker.channelNow(channel) }
}

const event = (external_id: string, dedup_key = external_id) => ({
  dedup_key,
  thread_key: 't-1',
  payload: comment(external_id),
})
const page = (ids: string[], cursor: number, more = false): PollPage => ({
  events: ids.map(id => event(id)),
  cursor: { page: cursor },
  more,
})

/** A promise and the function that keeps it. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}

const after = (date: Date, ms: number) => new Date(date.getTime() + ms)
const codes = async (rows: Promise<{ dedup_key: string }[]>) => (await rows).map(row => row.dedup_key).sort()

t.test('a worker whose turn ran out moves no cursor and stores nothing', async t => {
  const [slow, begun] = [gate(), gate()]
  const answer: { poll: Poll } = {
    poll: async () => {
      begun.open()
      await slow.opened
      return page(['old'], 1)
    },
  }
  const { worker, job, pollNow, now } = await setUp(t, answer)
  const turn = pollNow()
  await begun.opened

  const other = openDatabase({ url: worker.url, poolSize: 2 })
  t.teardown(() => other.close())
  answer.poll = async cursor => page(['new-1', 'new-2'], ((cursor?.page as number | undefined) ?? 1) + 1)
  worker.clock.now = after((await now()).next_poll_at!, -1)
  t.equal(await poll(worker.contextOn(other))(job), 0, 'while the turn lasts nobody else reads')
  worker.clock.now = (await now()).next_poll_at!
  t.equal(await poll(worker.contextOn(other))(job), 2, 'then another worker does')
  const stored = await now()
  has(t, stored, { cursor: { page: 2 }, poll_turn: null })

  slow.open()
  t.equal(await turn, 0)
  has(t, await now(), { cursor: { page: 2 }, next_poll_at: stored.next_poll_at, poll_failures: 0 })
  t.same(await codes(worker.ledger()), ['new-1', 'new-2'])
})

t.test('a slow worker that fails counts no failure of the turn after it', async t => {
  for (const error of [new NetworkUnavailable('gone', null), new ChannelAuthError('revoked')]) {
    const [slow, begun] = [gate(), gate()]
    const answer: { poll: Poll } = {
      poll: async () => {
        begun.open()
        await slow.opened
        throw error
      },
    }
    const { worker, pollNow, now } = await setUp(t, answer)
    const turn = pollNow()
    await begun.opened
    // Somebody reconnects the account, which ends every turn.
    const { workspace_id, id } = await now()
    const credentials_sealed = seal(TEST_SECRET_KEY, channelContext({ workspace_id, id }), { token: 'new' })
    await worker.run(trx =>
      updateChannel(trx, id, { credentials_sealed, poll_turn: null, next_poll_at: at('09:00:00') }),
    )
    slow.open()
    await turn
    has(t, await now(), { poll_failures: 0, status: 'active', next_poll_at: at('09:00:00') })
    t.same(await worker.log(), [])
  }
})

t.test('a page goes on where the one before ended although all of it was known', async t => {
  const { worker, pollNow } = await setUp(t, {
    poll: async cursor => {
      const next = ((cursor?.page as number | undefined) ?? 0) + 1
      return { ...page(next === 3 ? ['late'] : next === 2 ? [] : ['known'], next, next < 3) }
    },
  })
  await pollNow()
  t.same(await codes(worker.ledger()), ['known', 'late'])
})

t.test('a network that never ends costs a bounded turn, and is gone on with before its round is over', async t => {
  let calls = 0
  const { worker, pollNow, now } = await setUp(t, {
    poll: async () => {
      calls += 1
      return page([`m-${calls}`], calls, true)
    },
  })
  t.equal(await pollNow(), TURN_LIMITS.headPages)
  t.equal(calls, TURN_LIMITS.headPages)
  has(t, await now(), { next_poll_at: worker.clock.now, poll_turn: null, cursor: { page: calls } })
})

t.test('a connector that does not end is left behind when its time is up', async t => {
  const { worker, job, now } = await setUp(t, { poll: () => new Promise(() => {}) })
  await poll(worker.ctx, { ...TURN_LIMITS, callMs: 50 })(job)
  has(t, await now(), { poll_failures: 1, status_reason: 'The network did not answer in time.', poll_turn: null })
})

t.test('no page is begun when the time of the turn is used up', async t => {
  let calls = 0
  const { worker, job, now } = await setUp(t, {
    poll: async () => {
      calls += 1
      return page([`m-${calls}`], calls, true)
    },
  })
  let ms = 0
  const ctx = { ...worker.ctx, monotonicMs: () => (ms += 10_000) }
  t.equal(await poll(ctx)(job), 5)
  has(t, await now(), { cursor: { page: 5 }, next_poll_at: worker.clock.now })
})

t.test('the window that a network asks for is kept whatever happens, and only by its own channel', async t => {
  let calls = 0
  const retry_at = at('09:10:00')
  const answer: { poll: Poll } = {
    poll: () => {
      calls += 1
      return Promise.reject(new NetworkUnavailable('HTTP 429', retry_at))
    },
  }
  const { worker, channel, job, pollNow, now } = await setUp(t, answer)
  const neighbour = await worker.addChannel({ next_poll_at: worker.clock.now })
  await pollNow()
  has(t, await now(), { resume_at: retry_at, poll_failures: 1 })
  t.ok((await now()).next_poll_at! >= retry_at)

  // A new process, people who ask for a poll, a counter of failures that somebody resets: the window stands.
  const other = openDatabase({ url: worker.url, poolSize: 2 })
  t.teardown(() => other.close())
  for (const minute of ['09:00:30', '09:05:00', '09:09:59']) {
    worker.clock.now = at(minute)
    await worker.run(trx => updateChannel(trx, channel.id, { poll_failures: 0 }))
    await worker.run(trx => hastenPollTurn(trx, channel.id, worker.clock.now, { head_due_at: null }))
    await worker.run(trx => updateChannel(trx, channel.id, { next_poll_at: worker.clock.now }))
    await pollNow()
    await poll(worker.contextOn(other))(job)
  }
  t.equal(calls, 1, 'no call inside the window')
  answer.poll = async () => page(['m'], 1)
  worker.clock.now = at('09:00:20')
  t.equal(await poll(worker.ctx)({ ...job, channel_id: neighbour.id }), 1, 'the other channel is read')
  worker.clock.now = (await now()).next_poll_at!
  worker.clock.now = worker.clock.now < retry_at ? retry_at : worker.clock.now
  t.equal(await pollNow(), 1)
  has(t, await now(), { resume_at: null })
})

t.test('a reply that meets the limit stops the poll that is under way', async t => {
  const { worker, channel, pollNow, now } = await setUp(t, {
    poll: async cursor => {
      const next = ((cursor?.page as number | undefined) ?? 0) + 1
      if (next === 2) await worker.run(trx => updateChannel(trx, channel.id, { resume_at: at('09:30:00') }))
      return page([`m-${next}`], next, true)
    },
  })
  t.equal(await pollNow(), 2)
  has(t, await now(), { cursor: { page: 2 }, resume_at: at('09:30:00'), poll_failures: 0 })
  t.ok((await now()).next_poll_at! >= at('09:30:00'))
})

t.test('an absurd wait is a day and not for ever', async t => {
  const far = new NetworkUnavailable('HTTP 429', new Date(at('09:00:00').getTime() + 86_400_000))
  const { pollNow, now } = await setUp(t, { poll: () => Promise.reject(far) })
  await pollNow()
  const { next_poll_at } = await now()
  t.ok(next_poll_at!.getTime() - at('09:00:00').getTime() <= 86_400_000 + 300_000)
})

t.test('a person makes a poll due at once, but no turn, failure or window shorter', async t => {
  const { worker, channel, pollNow, now } = await setUp(t, { poll: async () => page(['m'], 1) })
  const hasten = () => worker.run(trx => hastenPollTurn(trx, channel.id, worker.clock.now, { head_due_at: null }))
  await pollNow()
  t.ok((await now()).next_poll_at! > worker.clock.now)
  await hasten()
  has(t, await now(), { next_poll_at: worker.clock.now })
  const later = at('09:05:00')
  const reasons = [
    { poll_turn: '00000000-0000-7000-8000-000000000001' },
    { poll_failures: 1 },
    { resume_at: at('09:01:00') },
    { status: 'disabled' as const },
  ]
  for (const reason of reasons) {
    const fresh = { poll_turn: null, poll_failures: 0, resume_at: null, status: 'active' as const }
    await worker.run(trx => updateChannel(trx, channel.id, { ...fresh, next_poll_at: later, ...reason }))
    await hasten()
    has(t, await now(), { next_poll_at: later }, JSON.stringify(reason))
  }
})

t.test('a channel is read as often as it says', async t => {
  const { worker, channel, pollNow, now } = await setUp(t, { poll: async () => page(['m'], 1) })
  for (const poll_seconds of [5, 600]) {
    await worker.run(trx => updateChannel(trx, channel.id, { poll_seconds }))
    worker.clock.now = (await now()).next_poll_at!
    await pollNow()
    const ms = (await now()).next_poll_at!.getTime() - worker.clock.now.getTime()
    t.ok(ms >= poll_seconds * 1000 && ms <= poll_seconds * 1200, `${poll_seconds} s: ${ms} ms`)
  }
})

t.test('after an outage of ours channels come back one by one within a round, and each of them does', async t => {
  let calls = 0
  const { worker } = await setUp(t, {
    poll: async () => {
      calls += 1
      return page([], 1)
    },
  })
  const channels = await Promise.all(Array.from({ length: 40 }, () => worker.addChannel()))
  const jobs = channels.map(({ id }) => ({ workspace_id: worker.workspace_id, channel_id: id }))
  worker.clock.now = at('10:00:00')
  await Promise.all(jobs.map(job => poll(worker.ctx)(job)))
  t.equal(calls, 0, 'nobody is asked at once')
  const times = await Promise.all(channels.map(async channel => (await worker.channelNow(channel)).next_poll_at!))
  t.ok(times.every(time => time >= worker.clock.now && time <= after(worker.clock.now, 15_000)))
  t.ok(new Set(times.map(time => Math.floor(time.getTime() / 1000))).size >= 8, 'spread over the seconds')
  worker.clock.now = after(worker.clock.now, 15_000)
  await Promise.all(jobs.map(job => poll(worker.ctx)(job)))
  t.equal(calls, 40)
})

t.test('a channel that works again after it was reported says so, once', async t => {
  const answer: { poll: Poll } = { poll: () => Promise.reject(new NetworkUnavailable('HTTP 503', null)) }
  const { worker, pollNow, now } = await setUp(t, answer)
  const pollWhenDue = async () => {
    worker.clock.now = (await now()).next_poll_at!
    await pollNow()
  }
  for (let failures = 1; failures <= 2; failures += 1) await pollWhenDue()
  answer.poll = async () => page([], 1)
  await pollWhenDue()
  t.same(await worker.log(), [], 'two failures are nobody’s business')
  answer.poll = () => Promise.reject(new NetworkUnavailable('HTTP 503', null))
  for (let failures = 1; failures <= 5; failures += 1) await pollWhenDue()
  const { rows } = await worker.run(async trx => ({ rows: await trx.selectFrom('events').selectAll().execute() }))
  has(t, rows, [{ type: 'channel.degraded', data: { reason: 'HTTP 503' } }])
  answer.poll = async () => page([], 2)
  for (let polls = 1; polls <= 2; polls += 1) await pollWhenDue()
  t.same(await worker.log(), ['channel.degraded', 'channel.recovered'])
  has(t, await now(), { poll_failures: 0, status_reason: null })
  t.ok(worker.woken.length >= 2, 'whoever reads the log is woken')
})

t.test(
  'a channel whose access was revoked is left alone until it is reconnected, and goes on at its cursor',
  async t => {
    const asked: Cursor[] = []
    const answer: { poll: Poll } = { poll: async () => page(['m-1'], 1) }
    const { worker, channel, pollNow, now } = await setUp(t, {
      poll: (cursor, ...rest) => {
        asked.push(cursor)
        return answer.poll(cursor, ...rest)
      },
    })
    await pollNow()
    answer.poll = () => Promise.reject(new ChannelAuthError('The app password was revoked.'))
    for (let turns = 0; turns < 5; turns += 1) {
      worker.clock.now = after((await now()).next_poll_at!, 60_000)
      await pollNow()
      t.same(await worker.db.asSystem(trx => listChannelsToPoll(trx, worker.clock.now, 10)), [], 'nor is it hinted')
    }
    t.equal(asked.length, 2, 'one poll was refused, and none came after it')
    has(t, await now(), { status: 'disabled', status_reason: 'The app password was revoked.', cursor: { page: 1 } })
    t.same(await worker.log(), ['channel.disabled'])

    answer.poll = async () => page(['m-2'], 2)
    await worker.run(trx => updateChannel(trx, channel.id, { status: 'active', next_poll_at: worker.clock.now }))
    await pollNow()
    t.same(asked.at(-1), { page: 1 })
    t.same(await codes(worker.ledger()), ['m-1', 'm-2'])
  },
)

t.test('the sweep wakes what is due, and repeats the hint where one did not run', async t => {
  const { worker, channel, job } = await setUp(t, { poll: async () => page([], 1) })
  const given: unknown[] = []
  const hints = {
    ...worker.ctx.hints,
    poll: (data: unknown) => void given.push(['poll', data]),
    repeat: (queue: string, data: unknown) => void given.push([`again ${queue}`, data]),
  }
  const ctx = { ...worker.ctx, hints: hints as unknown as typeof worker.ctx.hints }
  const sweepAt = async (time: string) => {
    given.length = 0
    worker.clock.now = at(time)
    await sweep(ctx)()
    return [...given]
  }
  t.same(await sweepAt('08:59:59'), [], 'not before its time')
  t.same(await sweepAt('09:00:02'), [['poll', job]])
  t.same(await sweepAt('09:00:10'), [['again poll', job]])
  await worker.run(trx => updateChannel(trx, channel.id, { status: 'disabled' }))
  t.same(await sweepAt('09:00:12'), [])
})
