import { checkClocks } from '@parley/core'
import fc from 'fast-check'
import t from 'tap'
import { openInboxes } from './inbox.ts'
import { arbitraryMonth, openMonth } from './month.ts'

const { db } = await openInboxes(t)
const STEPS = 150

t.test('the clocks of any conversation can be recomputed from its events and come out identical', async t => {
  const met = new Set<string>()
  await fc.assert(
    fc.asyncProperty(arbitraryMonth(STEPS), async steps => {
      const month = await openMonth(db)
      for (const step of steps) await month.take(step)
      await month.work(month.now())
      for (const { id } of await month.conversations()) {
        const checked = await db.inSnapshot(month.inbox.workspace_id, trx => checkClocks(trx, id, month.now()))
        if (checked.clocks === null || checked.differences.length > 0) throw new Error(JSON.stringify(checked, null, 1))
      }
      for (const clock of await month.inbox.everything('sla_clocks')) {
        met.add(`${clock.metric} ${clock.state}${clock.breached_at ? ' late' : ''}`)
        met.add(clock.cancelled_reason ?? clock.cause ?? 'as promised')
        if (clock.paused_ms > 0) met.add('stood still')
      }
    }),
    // Smaller months that fail are told one after the other; the seed gives all of them again.
    { numRuns: 6, endOnFailure: true },
  )
  const expected = [
    ...['resolution fulfilled late', 'first_response fulfilled', 'moderation fulfilled', 'network_window fulfilled'],
    ...['network_window cancelled', 'policy_removed', 'retargeted', 'stood still'],
  ]
  for (const one of expected)
    t.ok(
      [...met].some(what => what.startsWith(one)),
      one,
    )
})
