import { createCalendar, createPolicy } from '@parley/core'
import { updateInbox } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { has } from '@parley/testing'
import t from 'tap'
import { slaTick } from '../src/processors/sla.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

t.test('a tick records the breaches that have come due, at their due times, and wakes who reads', async t => {
  const worker = await openWorker(t, fakeConnector())
  const weekly = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))
  await worker.run(async trx => {
    const definition = { time_zone: 'UTC', weekly, holidays: [] }
    const calendar = await createCalendar(trx, { name: 'Always', definition }, SYSTEM, at('08:00:00'))
    const policy = await createPolicy(
      trx,
      {
        ...{ name: 'Ten minutes', position: 100, enabled: true, calendar_id: calendar.id, conditions: null },
        targets: { first_response: { seconds: 600 } },
      },
      SYSTEM,
      at('08:00:00'),
    )
    await updateInbox(trx, worker.inbox_id, { sla_policy_id: policy.id })
  })
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
