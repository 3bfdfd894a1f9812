import type { Holiday } from '@parley/domain'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/**
 * The hours of each local date that lie between two wall-clock times, in milliseconds as if they were UTC. A minute that
 * is begun is closed throughout.
 */
export function closedHours(start: number, end: number, name?: string | undefined): Holiday[] {
  const from = Math.floor(start / MINUTE_MS) * MINUTE_MS
  const until = Math.ceil(end / MINUTE_MS) * MINUTE_MS
  const holidays: Holiday[] = []
  for (let midnight = Math.floor(from / DAY_MS) * DAY_MS; midnight < until; midnight += DAY_MS) {
    const hours = { from: Math.max(from - midnight, 0), until: Math.min(until - midnight, DAY_MS) }
    const whole = hours.until - hours.from === DAY_MS
    holidays.push({
      date: new Date(midnight).toISOString().slice(0, 'YYYY-MM-DD'.length),
      ...(name === undefined ? {} : { name }),
      ...(whole ? {} : { closed_from: timeOf(hours.from), closed_until: timeOf(hours.until) }),
    })
  }
  return holidays
}

/** '09:30' */
function timeOf(ms: number): string {
  const minutes = ms / MINUTE_MS
  return [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, '0')).join(':')
}
