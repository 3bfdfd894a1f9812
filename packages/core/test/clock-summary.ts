import { CLOCK_REPORTS_FEED, countClocks, readSlaSummary, type SlaSummaryQuery } from '@parley/core'
import { createFeedCursor, type EventRow, moveFeedCursor } from '@parley/db'
import { sql } from 'kysely'
import { at, CONNECTED, type Inbox } from './inbox.ts'

/** Has the log read by what counts clocks, from its beginning: again is the same as once. */
export async function countAllClocks(inbox: Inbox): Promise<void> {
  await inbox.run(async trx => {
    await createFeedCursor(trx, CLOCK_REPORTS_FEED, 'beginning', CONNECTED)
    const { rows } = await sql<EventRow>`select * from events order by xact, seq`.execute(trx)
    await countClocks(trx, rows, CONNECTED)
    await moveFeedCursor(trx, CLOCK_REPORTS_FEED, { to: rows.at(-1)!, handled: rows.length }, CONNECTED)
  })
}

/** The summary of the Monday of these tests as it is at a time, by metric. */
export async function summaryAt(inbox: Inbox, now: Date, query: Partial<SlaSummaryQuery> = {}) {
  const day = { from: at('00:00:00'), to: new Date(at('00:00:00').getTime() + 86_400_000) }
  const whole = { time_zone: 'UTC', interval: 'none' as const, group_by: [], filters: {}, inbox_ids: null }
  const asked = { ...day, ...whole, cohort: 'started' as const, metrics: null, ...query }
  await countAllClocks(inbox)
  return inbox.run(trx => readSlaSummary(trx, asked, now))
}
