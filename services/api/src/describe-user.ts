import type { userView } from '@parley/contracts'
import type { User } from '@parley/db'
import { availabilityAt } from '@parley/domain'
import type { z } from 'zod'

/** A user as others see them now. How they sign in is nobody's business. */
export function describeUser(user: User, now: Date): z.output<typeof userView> {
  const { id, name, email, role, status, languages, skills, capacity, created_at } = user
  return { id, name, email, role, status, languages, skills, capacity, created_at, ...availabilityAt(user, now) }
}
