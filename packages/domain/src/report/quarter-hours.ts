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
