import { ChannelAuthError, type ConnectedChannel, NetworkUnavailable, type PollPage } from '@parley/connectors'
import { openDatabase } from '@parley/db'
import { has, until } from '@parley/testing'
import pg from 'pg'
import t from 'tap'
import { poll } from '../src/processors/poll.ts'
import { at, comment, fakeConnector, type OpenWorker, openWorker } from './processing.ts'

type Poll = (channel: ConnectedChannel, cursor: Record<string, unknown> | null) => Promise<PollPage>

/** A worker whose network answers with `answer.poll`, and a channel that is due. */
async function setUp(t: Parameters<typeof openWorker>[0], answer: { poll: Poll }) {
  const worker = await openWorker(t, fakeConnector({ poll: (channel, cursor) => answer.poll(channel, cursor) }))
  const channel = await worker.addChannel({ next_poll_at: worker.clock.now })
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  return { worker, channel, job, pollNow: () => poll(worker.ctx)(job) }
}

const page = (number: number, more: boolean): PollPage => ({
  events: [1, 2].map(item => ({
    dedup_key: `${number}-${item}`,
    thread_key: 't-1',
    payload: comment(`m-${number}-${item}`),
  })),
  cursor: { page: number },
  more,
})

/** Runs statements as the tables' owner. */
async function asOwner(worker: OpenWorker, ...statements: string[]) {
  const client = new pg.Client({ connectionString: worker.url })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

t.test('each page is stored together with the cursor that moved past it', async t => {
  const asked: unknown[] = []
  const { worker, channel, job, pollNow } = await setUp(t, {
    poll: async (_, cursor) => {
      asked.push(cursor)
      const next = ((cursor?.page as number | undefined) ?? 0) + 1
      return page(next, next < 3)
    },
  })
  // The second page cannot be stored: neither its events nor its cursor may stay.
  await asOwner(
    worker,
    `create function refuse() returns trigger language plpgsql as $$ begin raise 'no' using errcode = '57014'; end $$`,
    `create trigger refuse before update on channels for each row when (new.cursor ->> 'page' = '2') execute function refuse()`,
  )
  t.equal(await pollNow(), 0)
  t.same(asked, [null, { page: 1 }])
  t.same((await worker.channelNow(channel)).cursor, { page: 1 })
  t.same((await worker.ledger()).map(row => row.dedup_key).sort(), ['1-1', '1-2'])
  t.same(worker.hints, [{ queue: 'ingest', job }], 'what is stored is worked on')

  await asOwner(worker, 'drop trigger refuse on channels')
  worker.clock.now = (await worker.channelNow(channel)).next_poll_at!
  t.equal(await pollNow(), 4)
  t.same(asked.slice(2), [{ page: 1 }, { page: 2 }], 'it goes on where it was')
  has(t, await worker.channelNow(channel), { cursor: { page: 3 }, poll_failures: 0, status_reason: null })
  t.equal((await worker.ledger()).length, 6)
})

t.test('the ledger that refuses a page keeps its cursor back', async t => {
  const { worker, channel, pollNow } = await setUp(t, { poll: async () => page(1, false) })
  await asOwner(
    worker,
    `create function refuse() returns trigger language plpgsql as $$ begin raise 'no' using errcode = '57014'; end $$`,
    'create trigger refuse before insert on inbound_events for each row execute function refuse()',
  )
  await pollNow()
  t.equal((await worker.channelNow(channel)).cursor, null)
})

t.test('a page that comes twice is stored once, and only news are hinted', async t => {
  const { worker, channel, pollNow } = await setUp(t, { poll: async () => page(1, false) })
  t.equal(await pollNow(), 2)
  worker.clock.now = (await worker.channelNow(channel)).next_poll_at!
  t.equal(await pollNow(), 0)
  t.equal((await worker.ledger()).length, 2)
  t.equal(worker.hints.length, 1)
})

t.test('one worker polls a channel at a time, and a dead one holds it only for its turn', async t => {
  let calls = 0
  let open = () => {}
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  const { worker, channel, job, pollNow } = await setUp(t, {
    poll: async () => {
      calls += 1
      await gate
      return page(1, false)
    },
  })
  const other = openDatabase({ url: worker.url, poolSize: 2 })
  t.teardown(() => other.close())
  const turns = [pollNow(), poll(worker.contextOn(other))(job), pollNow(), poll(worker.contextOn(other))(job)]
  await Promise.race(turns)
  await until('one of them asks', async () => calls > 0)
  t.equal(await pollNow(), 0, 'and it is not due while the turn lasts')
  const due = (await worker.channelNow(channel)).next_poll_at!
  t.equal(due.getTime() - worker.clock.now.getTime(), 120_000)
  open()
  await Promise.all(turns)
  t.equal(calls, 1)
  const next = (await worker.channelNow(channel)).next_poll_at!.getTime() - worker.clock.now.getTime()
  t.ok(next >= 15_000 && next <= 18_000, `again in ${next} ms`)
})

t.test('failures come back ever later, and the third is reported once', async t => {
  const answer: { poll: Poll } = { poll: () => Promise.reject(new Error('a bug with a secret in it')) }
  const { worker, channel, pollNow } = await setUp(t, answer)
  for (let failures = 1; failures <= 8; failures += 1) {
    worker.clock.now = (await worker.channelNow(channel)).next_poll_at!
    await pollNow()
    const { poll_failures, next_poll_at, status, status_reason } = await worker.channelNow(channel)
    has(t, { poll_failures, status, status_reason }, { poll_failures: failures, status: 'active' })
    t.notMatch(status_reason, /secret/)
    const delay = next_poll_at!.getTime() - worker.clock.now.getTime()
    const least = Math.min(15_000 * 2 ** failures, 900_000)
    t.ok(delay >= least && delay <= least * 1.2 + 1, `failure ${failures}: again in ${delay} ms`)
    t.equal((await worker.log()).filter(type => type === 'channel.degraded').length, failures >= 3 ? 1 : 0)
  }
  const retry_at = at('23:00:00')
  answer.poll = () => Promise.reject(new NetworkUnavailable('The network asks to wait.', retry_at))
  worker.clock.now = (await worker.channelNow(channel)).next_poll_at!
  await pollNow()
  const asked = await worker.channelNow(channel)
  has(t, asked, { resume_at: retry_at, status_reason: 'The network asks to wait.' })
  t.ok(asked.next_poll_at! >= retry_at, 'not before that')
  answer.poll = async () => page(1, false)
  worker.clock.now = asked.next_poll_at!
  await pollNow()
  has(t, await worker.channelNow(channel), { poll_failures: 0, status_reason: null, resume_at: null })
})

t.test('a network that lets us in no more disables the channel, which is then left alone', async t => {
  let calls = 0
  const { worker, channel, pollNow } = await setUp(t, {
    poll: () => {
      calls += 1
      return Promise.reject(new ChannelAuthError('The app password was revoked.'))
    },
  })
  await pollNow()
  has(t, await worker.channelNow(channel), { status: 'disabled', status_reason: 'The app password was revoked.' })
  t.same(await worker.log(), ['channel.disabled'])
  worker.clock.now = at('23:00:00')
  await pollNow()
  t.equal(calls, 1)
})

t.test('no transaction is open while the network is asked', async t => {
  let open = -1
  const { worker, pollNow } = await setUp(t, {
    poll: async () => {
      const { rows } = await worker.db.pool.query(
        "select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
      )
      open = rows.length
      return page(1, false)
    },
  })
  await pollNow()
  t.equal(open, 0)
})

t.test('what the network tells of itself by now takes the place of what it told before', async t => {
  const facts = { max_characters: 1000 }
  const answer: { poll: Poll } = { poll: async () => ({ ...page(1, false), network_facts: facts }) }
  const { worker, channel, pollNow } = await setUp(t, answer)
  await pollNow()
  t.same((await worker.channelNow(channel)).network_facts, facts)
  answer.poll = async () => page(2, false)
  worker.clock.now = (await worker.channelNow(channel)).next_poll_at!
  await pollNow()
  t.same((await worker.channelNow(channel)).network_facts, facts, 'nothing told changes nothing')
})
