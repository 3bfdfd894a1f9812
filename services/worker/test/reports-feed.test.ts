import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beginSendAttempt, dismissMessage, finishSendAttempt, queueReply, rebuildReports } from '@parley/core'
import { findFeedCursor, listUsers } from '@parley/db'
import { capabilities, until } from '@parley/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { FeedReader } from '../src/feed/turn.ts'
import { cleanUp } from '../src/processors/housekeeping.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const reports = FEED_CONSUMERS.find(({ name }) => name === 'reports')!
const THREADS = 30

/** A worker whose customers wrote in many threads; many were answered, and some dismissed. */
async function setUp(t: Test) {
  const worker = await openWorker(t, fakeConnector())
  const { ctx, run, workspace_id, clock } = worker
  const channel = await worker.addChannel()
  const said = Array.from({ length: 3 * THREADS }, (_, index) =>
    comment(`m-${index}`, {
      thread_key: `t-${index % THREADS}`,
      occurred_at: at(`09:00:${10 + (index % 50)}`).toISOString(),
    }),
  )
  clock.now = at('09:05:00')
  await worker.accept(channel, said)
  await drain(ctx, { workspace_id, channel_id: channel.id })
  const [agent] = await run(listUsers)
  const author = { type: 'user' as const, id: agent!.id }
  const asked = await run(trx => trx.selectFrom('messages').selectAll().orderBy('id').execute())
  for (const [index, { id, conversation_id }] of asked.entries()) {
    const now = new Date(at('10:00:00').getTime() + index * 1_000)
    // Those that an answer to a later one of their thread would answer as well.
    if (index < THREADS && index % 3 === 2)
      await run(trx =>
        dismissMessage(trx, { conversation_id, message_id: id }, { reason: 'Thanks', as: 'spam' }, author, now),
      )
    if (index < THREADS || index % 2 === 1) continue
    const draft = { conversation_id, author, body: 'It arrives.', force: true, resolve_after: index % 4 === 1 }
    const delivery = () => ({ capabilities: capabilities(), pulled: false, countedText: (text: string) => text })
    const [reply] = await run(trx => queueReply(trx, draft, delivery, now))
    const attempt = await run(trx => beginSendAttempt(trx, reply!.id, {}, null, now))
    const sent = { outcome: 'sent' as const, external_id: `sent-${index}`, accepted_at: now, permalink: null }
    await run(trx => finishSendAttempt(trx, attempt!, sent, now))
  }
  const counted = () =>
    run(async trx => {
      const build = sql`(select build from report_builds)`
      const facts = await sql`
        select to_jsonb(f) - 'build' as row from report_facts f where build = ${build} order by kind, id`.execute(trx)
      const sums = await sql`
        select to_jsonb(s) - 'build' as row from report_sums s where build = ${build} order by 1`.execute(trx)
      return [...facts.rows, ...sums.rows]
    })
  const handled = async () => (await run(trx => findFeedCursor(trx, 'reports')))?.handled ?? 0
  const total = async () =>
    (await run(trx => sql<{ count: number }>`select count(*) from events`.execute(trx))).rows[0]!.count
  const follow = async () => {
    const reader = new FeedReader(ctx, reports, workspace_id)
    await until('the consumer is level with the log', async () => (await reader.turn()) === 'level')
  }
  return { ...worker, counted, handled, total, follow }
}

t.test('what a process counts that is killed again and again is what a rebuild counts', async t => {
  const { url, counted, handled, total, follow, run, clock } = await setUp(t)
  const script = fileURLToPath(new URL('./reports-process.ts', import.meta.url))
  const begin = () => {
    const args = ['--import=tsx', '--conditions=parley-source', script]
    const child = spawn(process.execPath, args, { env: { ...process.env, DATABASE_URL: url }, stdio: 'ignore' })
    const ended = new Promise(resolve => child.once('exit', resolve))
    const kill = async () => {
      child.kill('SIGKILL')
      await ended
    }
    t.teardown(kill)
    return kill
  }
  const all = await total()
  let kills = 0
  for (let seen = 0; seen < all; ) {
    const kill = begin()
    const enough = Math.min(all, seen + 80)
    await until('some more are counted', async () => (await handled()) >= enough, 60_000)
    await kill()
    kills += 1
    seen = await handled()
  }
  t.ok(kills >= 3, `${kills} kills of ${all} events`)
  t.equal(await handled(), all)
  const before = await counted()
  t.ok(before.length > 150, `${before.length} rows`)
  await run(trx => rebuildReports(trx, clock.now))
  t.same(await counted(), [])
  await follow()
  t.same(await counted(), before)
})

t.test('what was counted before a rebuild is cleared away', async t => {
  const { follow, run, clock, ctx, counted } = await setUp(t)
  await follow()
  await run(trx => rebuildReports(trx, clock.now))
  await follow()
  const builds = () =>
    run(async trx => {
      const { rows } = await sql<{ build: number }>`
        select build from report_facts union select build from report_sums order by 1`.execute(trx)
      return rows.map(({ build }) => build)
    })
  t.same(await builds(), [1, 2])
  const before = await counted()
  await cleanUp(ctx)()
  t.same(await builds(), [2])
  t.same(await counted(), before)
})
