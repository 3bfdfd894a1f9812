import { CalendarError, DomainError } from '@parley/domain'

/** Runs what may find a calendar or a target impossible. @throws DomainError `validation_failed`, naming the entry */
export function refuseImpossible<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (error instanceof CalendarError) throw new DomainError('validation_failed', error.message)
    throw error
  }
}
