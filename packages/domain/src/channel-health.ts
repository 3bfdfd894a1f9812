import type { ChannelStatus } from './channel.ts'

export const CHANNEL_HEALTHS = ['healthy', 'degraded', 'failing'] as const
export type ChannelHealth = (typeof CHANNEL_HEALTHS)[number]

/** What is wrong, as a word for programs and in words for people, and what can be done about it. */
export type HealthReason = { code: string; detail: string }

/** What a channel's health is judged by. */
export type HealthFacts = {
  status: ChannelStatus
  status_reason: string | null
  oldest_pending_at: Date | null
  parked: number
  /** Of the events of the last hour; null when there were none. */
  ingest_p50_ms: number | null
  /** Null for a channel that is never polled. */
  next_poll_at: Date | null
  poll_failures: number
  resume_at: Date | null
  /** Until when nothing is written to the network: it asked for that, or it did not answer. */
  send_resume_at: Date | null
}

const MINUTE_MS = 60_000
const SLOW_AFTER_MS = MINUTE_MS
const STUCK_AFTER_MS = 10 * MINUTE_MS
/** Half of the last hour's events took longer: people wait for what is already here. */
const SLOW_INGEST_MS = 30_000
const DEGRADED_AFTER_FAILURES = 3
/** With pauses that double, the network has not been reached for over an hour then. */
const FAILING_AFTER_FAILURES = 10
/** A poll that is running moves its channel on by two minutes. */
const OVERDUE_AFTER_MS = 10 * MINUTE_MS

/**
 * Says whether a channel does its work, with every reason why not. Failing: customers are not heard until somebody acts.
 * Degraded: late, or something waits for a person.
 */
export function judgeChannelHealth(facts: HealthFacts, now: Date): { health: ChannelHealth; reasons: HealthReason[] } {
  const failing: HealthReason[] = []
  const degraded: HealthReason[] = []
  const { status, status_reason, poll_failures, resume_at, send_resume_at } = facts
  const active = status === 'active'
  const pendingMs = facts.oldest_pending_at ? now.getTime() - facts.oldest_pending_at.getTime() : 0

  if (status === 'disabled') {
    const said = status_reason ? ` It said: ${status_reason}` : ''
    failing.push({ code: 'disabled', detail: `The network no longer lets us in. Connect the account again.${said}` })
  }
  if (status === 'paused') {
    const detail = 'Somebody paused this channel. What comes in is kept, and nothing is shown or sent until it resumes.'
    degraded.push({ code: 'paused', detail })
  }
  if (active && pendingMs >= STUCK_AFTER_MS) {
    const waited = `The oldest event has waited for ${minutes(pendingMs)}.`
    failing.push({ code: 'ingest_stuck', detail: `${waited} Check that a worker with the queue ingest is running.` })
  } else if (status !== 'paused' && pendingMs >= SLOW_AFTER_MS) {
    const detail = `The oldest event has waited for ${minutes(pendingMs)}: more comes in than the workers take.`
    degraded.push({ code: 'ingest_behind', detail })
  }
  if ((facts.ingest_p50_ms ?? 0) >= SLOW_INGEST_MS) {
    const seconds = Math.round(facts.ingest_p50_ms! / 1000)
    const detail = `Half of the last hour's events took ${seconds} s or longer to become messages. Start more workers.`
    degraded.push({ code: 'ingest_slow', detail })
  }
  if (active && poll_failures >= DEGRADED_AFTER_FAILURES) {
    const said = status_reason ? ` The last time: ${status_reason}` : ''
    const reason = { code: 'poll_failing', detail: `The network could not be read ${poll_failures} times.${said}` }
    if (poll_failures >= FAILING_AFTER_FAILURES) failing.push(reason)
    else degraded.push(reason)
  }
  const quiet = resume_at !== null && resume_at > now
  if (active && quiet) {
    const detail = `The network asked us to be quiet until ${resume_at.toISOString()}. It goes on by itself.`
    degraded.push({ code: 'rate_limited', detail })
  }
  if (active && !quiet && send_resume_at !== null && send_resume_at > now) {
    const detail = `Replies wait until ${send_resume_at.toISOString()}: the network takes no more, or did not answer. They go out by themselves.`
    degraded.push({ code: 'sends_waiting', detail })
  }
  const dueMs = facts.next_poll_at ? now.getTime() - facts.next_poll_at.getTime() : 0
  if (active && !quiet && dueMs >= OVERDUE_AFTER_MS) {
    const detail = `It should have been polled ${minutes(dueMs)} ago. Check that a worker with the queue poll is running.`
    failing.push({ code: 'poll_overdue', detail })
  }
  if (facts.parked > 0) {
    const detail = 'Some events could not become messages. Look at the parked events, and retry or discard them.'
    degraded.push({ code: 'parked', detail })
  }
  const health = failing.length > 0 ? 'failing' : degraded.length > 0 ? 'degraded' : 'healthy'
  return { health, reasons: [...failing, ...degraded] }
}

function minutes(ms: number): string {
  const count = Math.floor(ms / MINUTE_MS)
  return count === 1 ? 'a minute' : `${count} minutes`
}
