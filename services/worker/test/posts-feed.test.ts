import { acceptInbound, correctTriage, ledgerEntries, triageEvents } from '@parley/core'
import { appendEvents, type EventRow, listPosts } from '@parley/db'
import { minuteOf, SYSTEM } from '@parley/domain'
import { until } from '@parley/testing'
import { lexiconModel } from '@parley/triage'
import t, { type Test } from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { FeedReader } from '../src/feed/turn.ts'
import { cleanUp } from '../src/processors/housekeeping.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const posts = FEED_CONSUMERS.find(({ name }) => name === 'posts')!
const MINUTE_MS = 60_000

/** A worker with a post that gets comments, each in a thread of its own. */
async function setUp(t: Test) {
  const worker = await openWorker(t, fakeConnector())
  const { ctx, run, clock, workspace_id } = worker
  const channel = await worker.addChannel()
  const job = { workspace_id, channel_id: channel.id }
  let comments = 0
  const commentOn = (post: string, fields: Record<string, unknown> = {}) => {
    comments += 1
    const time = clock.now.toISOString()
    const told = { thread_key: `t-${comments}`, occurred_at: time, version_at: time, post: { external_id: post } }
    return comment(`m-${comments}`, { ...told, ...fields })
  }
  const receive = async (...payloads: unknown[]) => {
    await worker.accept(channel, payloads)
    await drain(ctx, job)
  }
  const follow = async () => {
    const reader = new FeedReader(ctx, posts, workspace_id)
    await until('the consumer is level with the log', async () => (await reader.turn()) === 'level')
  }
  /** So many comments in each of the minutes that follow. */
  const live = async (perMinute: number, minutes: number) => {
    for (let minute = 0; minute < minutes; minute += 1) {
      clock.now = new Date(clock.now.getTime() + MINUTE_MS)
      await receive(...Array.from({ length: perMinute }, () => commentOn('p-1')))
      await follow()
    }
  }
  const surges = () =>
    run(trx => trx.selectFrom('events').selectAll().where('type', '=', 'post.surging').orderBy('seq').execute())
  const post = async () => (await run(trx => listPosts(trx, {}, { limit: 1 })))[0]!
  const told = () => run(trx => trx.selectFrom('post_messages').selectAll().orderBy('message_id').execute())
  return { ...worker, channel, commentOn, receive, follow, live, surges, post, told }
}

t.test('a post whose comments come ten times as fast surges once, and says by which numbers', async t => {
  const { live, surges, post, run, clock } = await setUp(t)
  await live(2, 20)
  t.same(await surges(), [])
  await live(20, 6)
  const [surge, ...more] = await surges()
  t.same(more, [])
  t.match(surge, {
    conversation_id: null,
    data: { post_id: (await post()).id, baseline_per_minute: 2, window_minutes: 5 },
  })
  const { factor, since } = surge!.data as { factor: number; since: string }
  t.ok(factor >= 3)
  t.ok(Date.parse(since) <= clock.now.getTime())
  const surging = (now: Date) => run(trx => listPosts(trx, { surging_at: now }, { limit: 10 }))
  t.equal((await surging(clock.now)).length, 1)
  t.equal((await surging(new Date(clock.now.getTime() + 11 * MINUTE_MS))).length, 0)
})

t.test('an event that is told again counts no comment twice', async t => {
  const { commentOn, receive, follow, post, told, run, clock } = await setUp(t)
  await receive(commentOn('p-1'), commentOn('p-1'))
  await follow()
  const before = await told()
  const again = before.map(({ message_id }) => ({
    type: 'message.received' as const,
    at: clock.now,
    actor: SYSTEM,
    data: { message_id },
  }))
  await run(trx => appendEvents(trx, [...again, { ...again[0]!, data: { message_id: 'x' } }]))
  await follow()
  t.same(await told(), before)
  t.equal((await post()).message_count, 2)
  const minutes = await run(trx => trx.selectFrom('post_minutes').selectAll().execute())
  t.match(minutes, [{ minute: minuteOf(clock.now), count: 2 }])
})

t.test('history counts as messages and not towards the rate', async t => {
  const { channel, commentOn, follow, post, run, clock, ctx, workspace_id } = await setUp(t)
  const received = [{ dedup_key: 'old', thread_key: null, payload: commentOn('p-1') }]
  await run(trx => acceptInbound(trx, ledgerEntries(channel.id, received, 'backfill', clock.now)))
  await drain(ctx, { workspace_id, channel_id: channel.id })
  await follow()
  t.equal((await post()).message_count, 1)
  t.same(await run(trx => trx.selectFrom('post_minutes').selectAll().execute()), [])
})

t.test('a conversation that is found to be on a post brings what was said in it', async t => {
  const { commentOn, receive, follow, told } = await setUp(t)
  const first = commentOn('p-1', { external_id: 'a', thread_key: 't', post: undefined })
  await receive(first, commentOn('p-1', { external_id: 'b', thread_key: 't', post: undefined }))
  await follow()
  t.same(await told(), [])
  await receive({ ...first, post: { external_id: 'p-1' } })
  await follow()
  t.equal((await told()).length, 2)
})

t.test('what is deleted leaves, also when nobody had looked at it before', async t => {
  const { commentOn, receive, follow, told } = await setUp(t)
  const gone = (external_id: string) => ({ type: 'deletion', external_id, version_at: at('09:30:00').toISOString() })
  await receive(commentOn('p-1', { external_id: 'a' }), commentOn('p-1', { external_id: 'b' }))
  await follow()
  await receive(gone('a'), commentOn('p-1', { external_id: 'c' }))
  await receive(gone('c'))
  await follow()
  t.equal((await told()).length, 1)
})

t.test('what triage finds stands beside a comment whichever is told first, and follows its corrections', async t => {
  const { commentOn, receive, follow, told, run, clock, post } = await setUp(t)
  const text = 'My parcel arrived broken'
  const events = () =>
    run(trx => trx.selectFrom('events').selectAll().orderBy('seq').execute()) as unknown as Promise<EventRow[]>
  const judge = async () => {
    const all = await events()
    await run(trx => triageEvents(trx, all, lexiconModel, clock.now))
  }
  await receive(commentOn('p-1', { text, external_id: 'm-late' }))
  await follow()
  t.match(await told(), [{ question: null, sentiment: null, language: null, proposed_disposition: null }])
  await judge()
  await follow()
  await receive(commentOn('p-1', { text, external_id: 'm-early' }))
  await judge()
  await follow()
  const found = { question: false, sentiment: 'complaint', language: 'en', proposed_disposition: null }
  t.match(await told(), [found, found])
  const [first] = await told()
  const user = await run(trx => trx.selectFrom('users').select('id').executeTakeFirstOrThrow())
  const person = { type: 'user' as const, id: user.id }
  await run(trx => correctTriage(trx, first!.message_id, { sentiment: 'praise' }, person, clock.now))
  await follow()
  t.match(await told(), [{ ...found, sentiment: 'praise', proposed_disposition: 'acknowledged' }, found])
  t.equal((await post()).message_count, 2, 'each counts once')
})

t.test('rates are forgotten after a day', async t => {
  const { commentOn, receive, follow, run, clock, ctx } = await setUp(t)
  await receive(commentOn('p-1'))
  await follow()
  const minutes = () => run(trx => trx.selectFrom('post_minutes').select('minute').execute())
  clock.now = new Date(clock.now.getTime() + 23 * 60 * MINUTE_MS)
  await cleanUp(ctx)()
  t.equal((await minutes()).length, 1)
  clock.now = new Date(clock.now.getTime() + 2 * 60 * MINUTE_MS)
  await cleanUp(ctx)()
  t.same(await minutes(), [])
})
