import { ChannelAuthError, type ConnectedChannel, type HistoryPage, NetworkUnavailable } from '@parley/connectors'
import { cancelBackfill, startBackfill } from '@parley/core'
import { findLatestBackfill, openDatabase, updateChannel } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { has } from '@parley/testing'
import pg from 'pg'
import t, { type Test } from 'tap'
import { TURN_LIMITS } from '../src/polling/turn.ts'
import { poll } from '../src/processors/poll.ts'
import { at, comment, fakeConnector, openWorker } from './processing.ts'

type Cursor = Record<string, unknown> | null
type Read = (cursor: Cursor, since: Date, channel: ConnectedChannel) => Promise<HistoryPage>

const SINCE = at('00:00:00')
const after = (date: Date, ms: number) => new Date(date.getTime() + ms)

/** Page by page backwards from nine o'clock, one event a minute; `last` ends it. */
const minute = (number: number, last = 1_000): HistoryPage => ({
  events: [{ dedup_key: `h-${number}`, thread_key: null, payload: comment(`h-${number}`) }],
  cursor: number < last ? { page: number } : null,
  oldest_at: after(at('09:00:00'), -number * 60_000),
})
const nextOf = (cursor: Cursor) => ((cursor?.page as number | undefined) ?? 0) + 1

/** A worker, a channel whose newest page is empty, and a backfill that has just been asked for. */
async function setUp(t: Test, answer: { read: Read }) {
  const heads: Date[] = []
  const connector = fakeConnector({
    poll: async () => {
      heads.push(worker.clock.now)
      return { events: [], cursor: { head: heads.length }, more: false }
    },
    readHistory: (channel, since, cursor) => answer.read(cursor, since, channel),
  })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel({ next_poll_at: worker.clock.now })
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  const start = () =>
    worker.run(trx => startBackfill(trx, { channel_id: channel.id, since: SINCE }, SYSTEM, worker.clock.now))
  const backfillNow = async () => (await worker.run(trx => findLatestBackfill(trx, channel.id)))!
  const now = () => worker.channelNow(channel)
  const pollWhenDue = async () => {
    const { next_poll_at } = await now()
    if (next_poll_at! > worker.clock.now) worker.clock.now = next_poll_at!
    return poll(worker.ctx)(job)
  }
  await start()
  return { worker, channel, job, heads, start, backfillNow, now, pollWhenDue }
}

t.test('history is read in the turns of the channel, so many pages a turn, and marked as history', async t => {
  const asked: [Cursor, Date][] = []
  const { worker, job, backfillNow, pollWhenDue, heads } = await setUp(t, {
    read: async (cursor, since) => {
      asked.push([cursor, since])
      return minute(nextOf(cursor), 25)
    },
  })
  t.equal(await pollWhenDue(), TURN_LIMITS.historyPages)
  has(t, await backfillNow(), {
    state: 'running',
    pages: 10,
    events: 10,
    oldest_at: at('08:50:00'),
    cursor: { page: 10 },
    finished_at: null,
  })
  t.same(await poll(worker.ctx)(job), 0, 'and not sooner than its pause is over')
  while ((await backfillNow()).state === 'running') await pollWhenDue()
  has(t, await backfillNow(), { state: 'done', pages: 25, events: 25, oldest_at: at('08:35:00'), reason: null })
  has(t, (await backfillNow()).finished_at, worker.clock.now)
  t.same(asked[0], [null, SINCE])
  t.same(asked.at(-1), [{ page: 24 }, SINCE])
  const ledger = await worker.ledger()
  t.equal(ledger.length, 25)
  t.ok(ledger.every(row => row.source === 'backfill'))
  t.ok(worker.hints.some(({ queue }) => queue === 'ingest'))
  t.same(await worker.log(), ['backfill.started', 'backfill.done'])
  t.ok(heads.length >= 2, 'what is new is read in between')
  const pages = asked.length
  await pollWhenDue()
  t.equal(asked.length, pages, 'what is done stays done')
})

t.test('a channel that is polled rarely is not polled more often for its history', async t => {
  const { worker, channel, backfillNow, pollWhenDue, heads } = await setUp(t, {
    read: async cursor => minute(nextOf(cursor), 35),
  })
  await worker.run(trx => updateChannel(trx, channel.id, { poll_seconds: 3600 }))
  while ((await backfillNow()).state === 'running') await pollWhenDue()
  t.equal(heads.length, 1)
  t.ok(worker.clock.now <= at('09:02:00'), 'the history did not wait for it')
  await pollWhenDue()
  t.equal(heads.length, 2)
  t.ok(heads[1]! >= at('10:00:00'), `at ${heads[1]?.toISOString()}`)
})

t.test('a page and its progress are stored together or not at all', async t => {
  const { worker, backfillNow, pollWhenDue } = await setUp(t, { read: async cursor => minute(nextOf(cursor), 4) })
  const owner = new pg.Client({ connectionString: worker.url })
  await owner.connect()
  t.teardown(() => owner.end())
  await owner.query(`create function refuse() returns trigger language plpgsql as
    $$ begin raise 'no' using errcode = '57014'; end $$`)
  await owner.query(
    'create trigger refuse before update on backfills for each row when (new.pages = 3) execute function refuse()',
  )
  await pollWhenDue()
  has(t, await backfillNow(), { state: 'running', pages: 2, events: 2, cursor: { page: 2 }, failures: 1 })
  t.equal((await worker.ledger()).length, 2)
  await owner.query('drop trigger refuse on backfills')
  await owner.query('create trigger refuse before insert on inbound_events for each row execute function refuse()')
  await pollWhenDue()
  has(t, await backfillNow(), { pages: 2, cursor: { page: 2 } })
  await owner.query('drop trigger refuse on inbound_events')
  while ((await backfillNow()).state === 'running') await pollWhenDue()
  t.equal((await worker.ledger()).length, 4)
})

t.test('what is known already is counted once', async t => {
  const { worker, channel, start, backfillNow, pollWhenDue } = await setUp(t, {
    read: async cursor => minute(nextOf(cursor), 5),
  })
  await pollWhenDue()
  has(t, await backfillNow(), { state: 'done', pages: 5, events: 5 })
  worker.clock.now = after(worker.clock.now, 1_000)
  const { id } = await start()
  await worker.run(trx => updateChannel(trx, channel.id, { next_poll_at: worker.clock.now }))
  await pollWhenDue()
  has(t, await backfillNow(), { id, state: 'done', pages: 5, events: 0 })
  t.equal((await worker.ledger()).length, 5)
})

t.test('one backfill of a channel runs at a time', async t => {
  const { start } = await setUp(t, { read: async cursor => minute(nextOf(cursor)) })
  await t.rejects(start(), { code: 'backfill_running' })
})

t.test('a cancelled backfill asks no more, and what was on its way is not kept', async t => {
  let calls = 0
  const { worker, channel, backfillNow, pollWhenDue, now } = await setUp(t, {
    read: async cursor => {
      calls += 1
      if (calls === 3) await worker.run(trx => cancelBackfill(trx, channel.id, SYSTEM, worker.clock.now))
      return minute(nextOf(cursor))
    },
  })
  await pollWhenDue()
  t.equal(calls, 3)
  has(t, await backfillNow(), { state: 'cancelled', pages: 2, events: 2, finished_at: worker.clock.now })
  t.equal((await worker.ledger()).length, 2)
  await pollWhenDue()
  t.equal(calls, 3)
  has(t, await now(), { status: 'active', poll_failures: 0 })
  const again = await worker.run(trx => cancelBackfill(trx, channel.id, SYSTEM, worker.clock.now))
  t.equal(again.state, 'cancelled', 'cancelling twice is cancelling once')
  t.same(await worker.log(), ['backfill.started', 'backfill.cancelled'])
})

t.test('a page that fails is tried again ever later, without harm to what is new', async t => {
  let failing = true
  const { worker, backfillNow, pollWhenDue, now, heads } = await setUp(t, {
    read: async cursor => {
      if (failing && nextOf(cursor) === 3) throw new NetworkUnavailable('HTTP 503', null)
      return minute(nextOf(cursor), 4)
    },
  })
  await pollWhenDue()
  const failed = await backfillNow()
  has(t, failed, { state: 'running', pages: 2, failures: 1, reason: 'HTTP 503' })
  const wait = failed.next_page_at.getTime() - worker.clock.now.getTime()
  t.ok(wait >= 30_000 && wait <= 36_000, `again in ${wait} ms`)
  has(t, await now(), { poll_failures: 0, status_reason: null })
  const polls = heads.length
  await pollWhenDue()
  t.equal(heads.length, polls + 1, 'the newest page is read meanwhile')
  failing = false
  while ((await backfillNow()).state === 'running') await pollWhenDue()
  has(t, await backfillNow(), { state: 'done', pages: 4, events: 4, failures: 0, reason: null })
})

t.test('a page that never comes ends the backfill as failed, with the reason, and nothing else', async t => {
  const { worker, backfillNow, pollWhenDue, now } = await setUp(t, {
    read: () => Promise.reject(new Error('a bug with a secret in it')),
  })
  const begun = worker.clock.now
  for (let turns = 0; (await backfillNow()).state === 'running' && turns < 2_000; turns += 1) await pollWhenDue()
  has(t, await backfillNow(), { state: 'failed', pages: 0, failures: 12, reason: 'The last page could not be read.' })
  const hours = (worker.clock.now.getTime() - begun.getTime()) / 3_600_000
  t.ok(hours > 1.5 && hours < 3, `after ${hours} h`)
  t.same(await worker.log(), ['backfill.started', 'backfill.failed'])
  has(t, await now(), { status: 'active', poll_failures: 0 })
})

t.test('a network that leads in a circle is not followed for ever', async t => {
  let calls = 0
  const { worker, job, backfillNow } = await setUp(t, {
    read: async () => {
      calls += 1
      return minute(1 + (calls % 3))
    },
  })
  const limits = { ...TURN_LIMITS, historyPages: 5_000, turnMs: 3_600_000, pagesMs: 3_600_000 }
  await poll(worker.ctx, limits)(job)
  has(t, await backfillNow(), { state: 'failed', reason: "The network's history does not end.", events: 3 })
  t.ok(calls < 1_100, `${calls} pages`)
})

t.test('polls and history share the window that the network asks for', async t => {
  let reads = 0
  const { worker, backfillNow, pollWhenDue, now, heads } = await setUp(t, {
    read: async cursor => {
      reads += 1
      if (reads === 2) throw new NetworkUnavailable('HTTP 429', at('09:20:00'))
      return minute(nextOf(cursor), 3)
    },
  })
  await pollWhenDue()
  has(t, await now(), { resume_at: at('09:20:00'), poll_failures: 0 })
  t.ok((await now()).next_poll_at! >= at('09:20:00'))
  const before = heads.length
  worker.clock.now = at('09:19:59')
  await poll(worker.ctx)({ workspace_id: worker.workspace_id, channel_id: (await now()).id })
  t.same([reads, heads.length], [2, before], 'nobody calls inside the window')
  while ((await backfillNow()).state === 'running') await pollWhenDue()
  t.ok(worker.clock.now >= at('09:20:00'))
  has(t, await backfillNow(), { state: 'done', pages: 3 })
})

t.test('a backfill waits while its channel is disabled, and goes on when it is connected again', async t => {
  let revoked = false
  let reads = 0
  const { worker, channel, backfillNow, pollWhenDue, now } = await setUp(t, {
    read: async cursor => {
      reads += 1
      if (reads === 3) revoked = true
      if (revoked) throw new ChannelAuthError('revoked')
      return minute(nextOf(cursor), 5)
    },
  })
  await pollWhenDue()
  has(t, await now(), { status: 'disabled' })
  has(t, await backfillNow(), { state: 'running', pages: 2 })
  await pollWhenDue()
  t.equal(reads, 3)
  revoked = false
  await worker.run(trx => updateChannel(trx, channel.id, { status: 'active', next_poll_at: worker.clock.now }))
  while ((await backfillNow()).state === 'running') await pollWhenDue()
  has(t, await backfillNow(), { state: 'done', pages: 5, events: 5 })
})

t.test('a worker whose turn ran out stores no page of history', async t => {
  let begun = () => {}
  const inCall = new Promise<void>(resolve => {
    begun = resolve
  })
  let answer = () => {}
  const slow = new Promise<void>(resolve => {
    answer = resolve
  })
  let calls = 0
  const { worker, job, backfillNow, now } = await setUp(t, {
    read: async cursor => {
      calls += 1
      const number = nextOf(cursor)
      if (calls === 1) {
        begun()
        await slow
        return { ...minute(number), events: [{ dedup_key: 'late', thread_key: null, payload: comment('late') }] }
      }
      return minute(number)
    },
  })
  const turn = poll(worker.ctx)(job)
  await inCall
  worker.clock.now = (await now()).next_poll_at!
  const other = openDatabase({ url: worker.url, poolSize: 2 })
  t.teardown(() => other.close())
  await poll(worker.contextOn(other))(job)
  has(t, await backfillNow(), { state: 'running', pages: 10, events: 10, cursor: { page: 10 } })
  answer()
  t.equal(await turn, 0)
  has(t, await backfillNow(), { state: 'running', pages: 10, events: 10, cursor: { page: 10 } })
  t.notOk((await worker.ledger()).some(row => row.dedup_key === 'late'))
})
