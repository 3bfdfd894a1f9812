import { beginReportBuild, resetFeed, type Trx } from '@parley/db'

/** The consumer of the log that counts for reports. */
export const REPORTS_FEED = 'reports'

/**
 * Empties what reports count and has the log read anew from its beginning. Until that is done reports are of its beginning
 * only; they say how far. Waits for the page that is being counted; twice is the same as once.
 */
export async function rebuildReports(trx: Trx, now: Date): Promise<void> {
  await resetFeed(trx, REPORTS_FEED, now)
  await beginReportBuild(trx, now)
}
