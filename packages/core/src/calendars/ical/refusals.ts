import type { HolidaySkipReason } from '@parley/contracts'
import { DomainError } from '@parley/domain'

/** One event cannot be used; caught by whoever goes through the events. */
export class Unusable extends Error {
  readonly reason: HolidaySkipReason

  constructor(reason: HolidaySkipReason) {
    super(reason)
    this.reason = reason
  }
}

/** The text as a whole is refused. */
export function refused(detail: string): DomainError {
  return new DomainError('validation_failed', detail, { errors: [{ pointer: '/ical', detail }] })
}
