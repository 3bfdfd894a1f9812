import { beginReportBuild, resetFeed, type Trx } from '@parley/db'
import { CLOCK_REPORTS_FEED } from './count-clocks.ts'

/** The consumer of the log that counts for reports. */
export const REPORTS_FEED = 'reports'

/**
 * Empties what reports and the SLA summary count and has the log read anew from its beginning. Until that is done they are of
 * its beginning only; they say how far. Waits for the pages that are being counted; twice is the same as once.
 */
export async function rebuildReports(trx: Trx, now: Date): Promise<void> {
  for (const consumer of [REPORTS_FEED, CLOCK_REPORTS_FEED]) await resetFeed(trx, consumer, now)
  await beginReportBuild(trx, now)
}
