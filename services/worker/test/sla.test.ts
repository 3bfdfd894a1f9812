import { changeConversation } from '@parley/core'
import { SYSTEM } from '@parley/domain'
import { has } from '@parley/testing'
import t from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { slaTick } from '../src/processors/sla.ts'
import { levelWithLog } from './level.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'
import { promise } from './promise.ts'

t.test('a tick records the breaches that have come due, at their due times, and wakes who reads', async t => {
  const worker = await openWorker(t, fakeConnector())
  await promise(worker, { first_response: { seconds: 600 } })
  const channel = await worker.addChannel()
  // More than one batch of them, and one that is not due yet.
  const people = Array.from({ length: 1_001 }, (_, index) => `person-${index}`)
  const asked = people.map(person =>
    comment(person, { author: { external_id: person, handle: null, display_name: null, avatar_url: null } }),
  )
  asked[0]!.occurred_at = at('09:05:00').toISOString()
  worker.clock.now = at('09:06:00')
  await worker.accept(channel, asked)
  await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  const clocks = () => worker.run(trx => trx.selectFrom('sla_clocks').selectAll().execute())
  const tick = slaTick(worker.ctx)
  worker.woken.length = 0

  worker.clock.now = at('09:10:00')
  await tick()
  t.same(worker.woken, [], 'nothing is late yet, and nobody is woken')
  worker.clock.now = at('09:10:01')
  await Promise.all([tick(), tick()])
  const late = (await clocks()).filter(clock => clock.breached_at)
  t.equal(late.length, 1_000)
  t.same(new Set(late.map(clock => clock.breached_at?.toISOString())), new Set([at('09:10:00').toISOString()]))
  t.same(new Set(late.map(clock => clock.detected_at?.toISOString())), new Set([at('09:10:01').toISOString()]))
  t.ok(worker.woken.includes(worker.workspace_id))

  worker.clock.now = at('11:00:00')
  await tick()
  const [last] = (await clocks()).filter(clock => clock.started_at > at('09:00:00'))
  has(t, last, { breached_at: at('09:15:00'), detected_at: at('11:00:00') }, 'a late look changes no due time')
  t.equal((await worker.log()).filter(type => type === 'sla.breached').length, 1_001)
})

t.test(
  'detected_at − due_at is exported as a metric, whether a tick recorded the breach or a change that came first',
  async t => {
    const worker = await openWorker(t, fakeConnector())
    const { ctx, clock, run } = worker
    const feeds = new Feeds(
      ctx,
      FEED_CONSUMERS.filter(({ name }) => name === 'notifications'),
    )
    t.teardown(() => feeds.close())
    const level = () => levelWithLog(feeds, worker, 'notifications')
    await level()
    await promise(worker, {
      first_response: { seconds: 600, warn_before_seconds: [60] },
      resolution: { seconds: 1200 },
    })
    const channel = await worker.addChannel()
    await worker.accept(channel, [comment('m-1')])
    await drain(ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
    const tick = slaTick(ctx)
    clock.now = at('09:09:02')
    await tick()
    clock.now = at('09:10:00.500')
    await Promise.all([tick(), tick()])
    clock.now = at('09:20:03')
    await run(async trx => {
      const { id, version } = await trx.selectFrom('conversations').selectAll().executeTakeFirstOrThrow()
      await changeConversation(trx, id, { status: 'resolved' }, version, SYSTEM, clock.now)
    })
    await tick()
    await level()
    const text = await ctx.metrics.registry.metrics()
    const read = (name: string) => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1])
    t.equal(read('parley_sla_detection_lag_seconds_count'), 2)
    t.equal(read('parley_sla_detection_lag_seconds_sum'), 3.5)
    t.equal(read('parley_sla_warning_lag_seconds_count'), 1)
    t.equal(read('parley_sla_warning_lag_seconds_sum'), 2)
  },
)
