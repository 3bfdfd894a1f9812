import { beginSelfCheck, checkNextClocks, createCalendar, createPolicy, recordSelfCheck } from '@parley/core'
import { updateInbox } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { has } from '@parley/testing'
import t, { type Test } from 'tap'
import { cleanUp } from '../src/processors/housekeeping.ts'
import { selfCheckClocks } from '../src/processors/sla-self-check.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const DAY_MS = 24 * 3_600_000
const ALWAYS = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))

/** Each of so many customers waits in a conversation of their own. */
async function waiting(t: Test, count: number) {
  const worker = await openWorker(t, fakeConnector())
  await worker.run(async trx => {
    const definition = { time_zone: 'UTC', weekly: ALWAYS, holidays: [] }
    const calendar = await createCalendar(trx, { name: 'Always', definition }, SYSTEM, at('08:00:00'))
    const terms = { name: 'A week', position: 100, enabled: true, calendar_id: calendar.id, conditions: null }
    const targets = { first_response: { seconds: 604_800 } }
    const policy = await createPolicy(trx, { ...terms, targets }, SYSTEM, at('08:00:00'))
    await updateInbox(trx, worker.inbox_id, { sla_policy_id: policy.id })
  })
  const channel = await worker.addChannel()
  const asked = Array.from({ length: count }, (_, n) => comment(`m-${n}`, { thread_key: `t-${n}` }))
  worker.clock.now = at('09:01:00')
  await worker.accept(channel, asked)
  await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  const errors: Record<string, unknown>[] = []
  const logger = Object.assign(Object.create(worker.ctx.logger), {
    error: (fields: Record<string, unknown>) => void errors.push(fields),
  })
  const ctx = { ...worker.ctx, logger }
  const table = <T extends 'sla_self_checks' | 'sla_differences' | 'sla_clocks'>(name: T) =>
    worker.run(trx =>
      trx
        .selectFrom(name as 'sla_self_checks')
        .selectAll()
        .orderBy('started_at')
        .execute(),
    )
  const differences = () => worker.run(trx => trx.selectFrom('sla_differences').selectAll().execute())
  return { worker, ctx, errors, check: selfCheckClocks(ctx), runs: () => table('sla_self_checks'), differences }
}

t.test('a sample of clocks is checked every day, and nothing is found where all is well', async t => {
  const { worker, check, runs, errors } = await waiting(t, 30)
  await check()
  await check()
  const [run, ...others] = await runs()
  has(t, run, { conversations: 30, clocks: 30, skipped: 0, finished_at: at('09:01:00') })
  t.same([others, errors], [[], []], 'once a day')
  worker.clock.now = new Date(at('09:01:00').getTime() + DAY_MS)
  await check()
  t.equal((await runs()).length, 2)
  worker.clock.now = new Date(at('09:01:00').getTime() + 91 * DAY_MS)
  await cleanUp(worker.ctx)()
  t.equal((await runs()).length, 1, 'what was found is kept for ninety days')
})

t.test('a difference is kept, logged as an error and counted, once', async t => {
  const { worker, check, errors, differences } = await waiting(t, 3)
  const clock = await worker.run(trx => trx.selectFrom('sla_clocks').selectAll().executeTakeFirstOrThrow())
  const paused = { counted_ms: 1, paused_ms: 60_000 }
  await worker.run(trx => trx.updateTable('sla_clocks').set(paused).where('id', '=', clock.id).execute())
  await check()
  const found = await differences()
  has(
    t,
    found.sort((a, b) => a.field.localeCompare(b.field)),
    [
      { clock_id: clock.id, level: 'log', field: 'counted_ms', stored: 1, recomputed: 0 },
      { clock_id: clock.id, level: 'log', field: 'paused_ms', stored: 60_000, recomputed: 0 },
    ],
  )
  t.same(errors.map(({ field }) => field).sort(), ['counted_ms', 'paused_ms'])
  has(t, errors[0], { workspace_id: worker.workspace_id, conversation_id: clock.conversation_id, clock_id: clock.id })
  const metrics = await worker.ctx.metrics.registry.metrics()
  t.match(metrics, 'parley_sla_differences_total{level="log",field="counted_ms"} 1')
})

t.test('one worker is at a check, and what one leaves that dies another goes on with', async t => {
  const { worker, check, runs } = await waiting(t, 50)
  await Promise.all([check(), check()])
  t.equal((await runs()).length, 1)
  worker.clock.now = new Date(at('09:01:00').getTime() + DAY_MS)
  const begin = () => worker.run(trx => beginSelfCheck(trx, worker.clock.now, () => 0.5))
  const abandoned = (await begin())!
  t.equal(await begin(), undefined, 'it is somebody’s')
  const look = () =>
    worker.ctx.db.inSnapshot(worker.workspace_id, trx => checkNextClocks(trx, abandoned, worker.clock.now))
  const first = await look()
  const record = () => worker.run(trx => recordSelfCheck(trx, abandoned, first, worker.clock.now))
  t.ok(await record())
  await check()
  has(t, (await runs()).at(-1), { conversations: first.length, finished_at: null }, 'it may still be at it')
  worker.clock.now = new Date(worker.clock.now.getTime() + 61_000)
  await check()
  const last = (await runs()).at(-1)
  has(t, last, { conversations: abandoned.remaining.length, finished_at: worker.clock.now, remaining: [] })
  t.equal(await record(), undefined, 'who comes back finds that it is somebody else’s')
})

t.test('of many conversations a few hundred are looked at', async t => {
  const { check, runs } = await waiting(t, 400)
  await check()
  const [run] = await runs()
  t.ok(run!.conversations >= 100 && run!.conversations <= 351, `${run!.conversations}`)
})
