import { rebuildReports } from '@parley/core'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { CONNECTED, type Inbox, openInboxes } from './inbox.ts'
import { counted, follow, openWorld, steps } from './report-world.ts'

const { openInbox } = await openInboxes(t)

/** How many messages have become what, by the tables themselves. */
const standing = async (inbox: Inbox) => {
  const { rows } = await inbox.run(trx =>
    sql<{ outcome: string; count: number }>`
      select case when disposition <> 'no_reply_needed' or dismissed_as is not null then disposition
        when deleted_at is not null then 'deleted' when automatic then 'automatic' end as outcome, count(*)::int as count
      from messages where direction = 'inbound' and not from_history group by 1 order by 1`.execute(trx),
  )
  return Object.fromEntries(rows.map(({ outcome, count }) => [outcome, count]))
}

/** The same by the sums. */
const summed = async (inbox: Inbox) => {
  const { sums } = await counted(inbox)
  const outcomes: Record<string, number> = {}
  for (const { measure, outcome, minutes, tagged, count } of sums)
    if (measure === 'message' && minutes === 15 && !tagged)
      outcomes[String(outcome)] = (outcomes[String(outcome)] ?? 0) + Number(count)
  return outcomes
}

t.test('what was counted bit by bit is what a rebuild counts, and what the tables say', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 500 }), async (taken, limit) => {
      const inbox = await openInbox()
      const { reader, take } = await openWorld(inbox)
      for (const step of taken) await take(step)
      await reader.toTheEnd(3)
      const before = await counted(inbox)
      t.same(await summed(inbox), await standing(inbox))
      await inbox.run(trx => rebuildReports(trx, CONNECTED))
      t.same(await counted(inbox), { facts: [], sums: [], clocks: [], clockSums: [] })
      await follow(inbox).toTheEnd(limit)
      t.same(await counted(inbox), before)
      return t.passing()
    }),
    // Looking for a smaller history that fails as well takes minutes: the seed is told.
    { numRuns: 30, endOnFailure: true },
  )
})
