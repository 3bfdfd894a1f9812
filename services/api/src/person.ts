import type { Credential } from '@parley/db'
import { DomainError } from '@parley/domain'

/** The person whom a call is made by. @throws DomainError `validation_failed` for an integration */
export function personOf({ user_id }: Credential): string {
  if (!user_id) throw new DomainError('validation_failed', 'This key acts as no person.')
  return user_id
}
