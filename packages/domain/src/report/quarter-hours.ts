const MINUTE_MS = 60_000

/** For how many minutes reports sum up: the shortest time at which days begin somewhere, and an hour. */
export const SUMMED_MINUTES = [15, 60] as const
export type SummedMinutes = (typeof SUMMED_MINUTES)[number]

/** When the quarter of an hour, or the hour, begins that an instant lies in. */
export function beginningOf(at: Date, minutes: SummedMinutes): Date {
  const ms = minutes * MINUTE_MS
  return new Date(Math.floor(at.getTime() / ms) * ms)
}

/** Whether a quarter of an hour, or an hour, begins at that instant. */
export const beginsAt = (at: Date, minutes: SummedMinutes) => at.getTime() % (minutes * MINUTE_MS) === 0

/** As so many minutes a month stands among the sums, however long it is. */
export const MONTH_MINUTES = 43_200

/** When the month of UTC begins that an instant lies in, or one so many months later. */
export const monthOf = (at: Date, later = 0): Date => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + later))

/** From when to when whole months lie in a period; undefined where none does. */
export function wholeMonths({ from, to }: { from: Date; to: Date }): { from: Date; to: Date } | undefined {
  const first = monthOf(from).getTime() === from.getTime() ? from : monthOf(from, 1)
  const last = monthOf(to)
  return first < last ? { from: first, to: last } : undefined
}
