import { type Conversation, extendClaim, findInboxLease, type Trx } from '@parley/db'
import { type Actor, CalendarError, dueAt, NotFound } from '@parley/domain'
import { compiledCalendar } from './sla/promises.ts'

/** Work writes a lease anew once less than this share of it remains: not on every keystroke. */
const RENEW_BELOW = 0.75

/** When a claim made or worked on now lapses, and the time before which an older end is worth moving. */
type Lease = { until: Date; renew_before: Date }

/**
 * Undefined where claims do not lapse, also for want of opening hours in ten years.
 * @throws NotFound
 */
async function leaseIn(trx: Trx, inbox_id: string, now: Date): Promise<Lease | undefined> {
  const found = await findInboxLease(trx, inbox_id)
  if (!found) throw new NotFound('inbox')
  const { claim_lease_seconds, calendar_id, calendar_version, calendar } = found
  if (claim_lease_seconds === null) return undefined
  const after = (seconds: number) => {
    if (!calendar_id || !calendar_version) return new Date(now.getTime() + seconds * 1000)
    return dueAt(compiledCalendar({ calendar_id, calendar_version }, calendar), now, seconds)
  }
  try {
    return { until: after(claim_lease_seconds), renew_before: after(Math.ceil(claim_lease_seconds * RENEW_BELOW)) }
  } catch (error) {
    if (error instanceof CalendarError) return undefined
    throw error
  }
}

/** When a claim made now lapses, in the open time of the inbox; null: never. */
export async function leaseEnd(trx: Trx, inbox_id: string, now: Date): Promise<Date | null> {
  return (await leaseIn(trx, inbox_id, now))?.until ?? null
}

/**
 * Its owner worked on a claimed conversation: it is theirs for another lease. Whoever else did changes nothing, and so does
 * work on what was not claimed. Called before anything that belongs to the conversation is locked.
 */
export async function keepClaim(
  trx: Trx,
  conversation: Pick<Conversation, 'id' | 'inbox_id' | 'assignee_id' | 'claim_expires_at'>,
  actor: Actor,
  now: Date,
): Promise<void> {
  const { id, inbox_id, assignee_id, claim_expires_at } = conversation
  if (!claim_expires_at || !assignee_id || actor.type !== 'user' || actor.id !== assignee_id) return
  const lease = await leaseIn(trx, inbox_id, now)
  if (lease && claim_expires_at < lease.renew_before) await extendClaim(trx, id, assignee_id, lease.until)
}
