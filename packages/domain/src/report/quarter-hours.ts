const QUARTER_HOUR_MS = 15 * 60_000

/** The quarter of an hour that an instant lies in. */
export const quarterHourOf = (at: Date) => new Date(Math.floor(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS)

/** Whether a quarter of an hour begins at that instant. */
export const beginsQuarterHour = (at: Date) => at.getTime() % QUARTER_HOUR_MS === 0
