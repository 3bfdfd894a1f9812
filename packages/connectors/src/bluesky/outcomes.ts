import type { ConnectorContext } from '../connector.ts'
import { describe, retryAt, type XrpcAnswer } from './xrpc.ts'

const DEFAULT_RETRY_MS = 30_000

export function rejected(reason: string) {
  return { outcome: 'rejected' as const, reason }
}

export function unknown(reason: string) {
  return { outcome: 'unknown' as const, reason }
}

export function retry(reason: string, retry_at: Date | null, context: Pick<ConnectorContext, 'now'>) {
  const soonest = context.now().getTime() + DEFAULT_RETRY_MS
  return { outcome: 'retry' as const, reason, retry_at: retry_at ?? new Date(soonest) }
}

/** What a write's answer means that is not a success. */
export function refusalOf(answer: XrpcAnswer, context: Pick<ConnectorContext, 'now'>) {
  if (answer.status === 429) return retry(describe(answer), retryAt(answer, context.now()), context)
  // Errors without the protocol's name come from something in between, which may have passed the request on. A 500 is
  // generic, and a gateway's 502 to 504 tells nothing about the server behind it.
  const certain = answer.error !== null && answer.status < 500 && answer.status !== 408
  return certain || answer.status === 413 || answer.status === 501
    ? rejected(describe(answer))
    : unknown(describe(answer))
}

/**
 * The network's acceptance time. The answer's body has none, its `date` header has whole seconds of a clock that may
 * be wrong: it is believed as far as it lies between our call and its answer.
 */
export function acceptedAt(answer: XrpcAnswer, started_at: Date, answered_at: Date): Date {
  const date = Date.parse(answer.headers.get('date') ?? '')
  if (!Number.isFinite(date)) return answered_at
  return new Date(Math.min(Math.max(date, started_at.getTime()), answered_at.getTime()))
}
