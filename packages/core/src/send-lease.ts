/**
 * For how long an attempt belongs to the worker that began it. It may call the network in the first half only, so that
 * clocks of two machines may differ by the other half before both believe that it is theirs.
 */
const LEASE_MS = 60_000
const CALL_MS = 30_000

export const leaseFrom = (now: Date): Date => new Date(now.getTime() + LEASE_MS)

/** Until when the worker that has this lease may talk to the network. */
export function callDeadline({ lease_until }: { lease_until: Date }): Date {
  return new Date(lease_until.getTime() - LEASE_MS + CALL_MS)
}
