import { DomainError } from '@parley/domain'

/** Whoever tries again earlier waits longer. */
export function tooEarly(retry_at: Date, now: Date): DomainError {
  const retry_after_seconds = Math.max(1, Math.ceil((retry_at.getTime() - now.getTime()) / 1000))
  return new DomainError('too_many_attempts', 'Too many attempts failed; try again later.', { retry_after_seconds })
}
