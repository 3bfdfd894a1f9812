export type CalendarErrorCode =
  | 'unknown_time_zone'
  | 'invalid_interval'
  | 'invalid_holiday'
  | 'calendar_never_open'
  | 'invalid_target'
  | 'due_beyond_ten_years'

/** A calendar or a target that cannot be promised. `code` is stable; the message names the offending entry. */
export class CalendarError extends Error {
  override readonly name = 'CalendarError'
  readonly code: CalendarErrorCode

  constructor(code: CalendarErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
