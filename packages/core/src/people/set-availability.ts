import { appendEvents, lockUser, type Trx, type User, updateUser } from '@parley/db'
import { type Actor, type Availability, DomainError, NotFound } from '@parley/domain'
import { handBack } from './hand-back.ts'

/**
 * Says whether somebody takes new work. Who goes out of office gives back what is open: a customer would wait for somebody
 * who is not there. Saying the same again changes nothing.
 * @param until when they are back; null: when they say so
 * @throws NotFound, or DomainError `validation_failed` for an end that is past, or of anything but out of office
 */
export async function setAvailability(
  trx: Trx,
  user_id: string,
  { availability, until }: { availability: Availability; until: Date | null },
  actor: Actor,
  now: Date,
): Promise<User> {
  if (until && availability !== 'out_of_office') {
    throw new DomainError('validation_failed', 'Only out_of_office has an end.')
  }
  if (until && until <= now) throw new DomainError('validation_failed', 'until must lie in the future.')
  const user = await lockUser(trx, user_id)
  if (!user) throw new NotFound('user')
  const same = user.availability === availability && user.out_of_office_until?.getTime() === until?.getTime()
  if (!same) {
    const data = { user_id, availability, until }
    const previous = { availability: user.availability, until: user.out_of_office_until }
    await appendEvents(trx, [{ type: 'user.availability_changed', at: now, actor, data, previous }])
  }
  if (availability === 'out_of_office') {
    await handBack(trx, { user_id, statuses: ['open'] }, 'out_of_office', actor, now)
  }
  return same ? user : updateUser(trx, user_id, { availability, out_of_office_until: until })
}
