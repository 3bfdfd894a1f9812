const BASE_MS = 15_000
const LONGEST_BACKOFF_MS = 15 * 60_000
/** An ordinary round: channels that all became due meanwhile come back as they would have come anyway. */
const SPREAD_MS = 15_000
const LONGEST_SPREAD_MS = 5 * 60_000

/** Up to a fifth longer, so that channels that were connected or failed together do not stay together. */
function jittered(ms: number): number {
  return ms * (1 + Math.random() / 5)
}

const later = (now: Date, ms: number) => new Date(now.getTime() + ms)

/** When a channel that was read just now is read again. */
export function nextRound(now: Date, poll_seconds: number): Date {
  return later(now, jittered(poll_seconds * 1000))
}

/** When a channel is tried again that has failed this often in a row: ever later, at most a quarter of an hour. */
export function backOff(now: Date, failures: number): Date {
  return later(now, jittered(Math.min(BASE_MS * 2 ** failures, LONGEST_BACKOFF_MS)))
}

/** A time of a channel's own after the one that its network named to all of its channels; never before that. */
export function afterWindow(now: Date, resume_at: Date): Date {
  const wait = resume_at.getTime() - now.getTime()
  const spread = Math.min(Math.max(wait / 5, SPREAD_MS), LONGEST_SPREAD_MS)
  return later(resume_at, Math.random() * spread)
}

/** A time of its own for a channel that is overdue because nobody was at work. */
export function spreadOut(now: Date): Date {
  return later(now, Math.random() * SPREAD_MS)
}
