import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, FindSentOutcome, PreparedSend, SendOutcome } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { postUri } from './at-uri.ts'
import { XrpcFailure } from './errors.ts'
import { findStoredPost, type PreparedPost, preparedPost, sentEarlier, sentOutcome } from './post.ts'
import { type BlueskySession, openSession } from './session.ts'
import { describe, retryAt, type XrpcAnswer } from './xrpc.ts'

const PUT_RECORD = 'com.atproto.repo.putRecord'
const DEFAULT_RETRY_MS = 30_000

/**
 * Writes the frozen post. Twice is safe: the identical record under the same key changes nothing.
 * It says `retry` only where the network cannot have stored the post; every doubt is `unknown`.
 */
export async function send(
  channel: ConnectedChannel,
  prepared: PreparedSend,
  context: ConnectorContext,
): Promise<SendOutcome> {
  const post = preparedPost.parse(prepared)
  try {
    const session = await openSession(channel, context)
    if (session.did !== post.repo) return rejected('The channel is connected to another account than the reply was for')
    const started_at = context.now()
    const answer = await session.call({ nsid: PUT_RECORD, input: post })
    return await outcomeOf(answer, post, session, started_at, context)
  } catch (error) {
    if (error instanceof ChannelAuthError) return rejected(error.message)
    if (!(error instanceof XrpcFailure)) throw error
    // Before the post itself was on the wire, that is while a session was opened or renewed, nothing can be visible.
    if (error.nsid === PUT_RECORD) return unknown(error.message)
    return retry(error.message, error.retry_at, context)
  }
}

/** Asks the account's own server for the frozen key; a refused session is a doubt, not an absence. */
export async function findSent(
  channel: ConnectedChannel,
  prepared: PreparedSend,
  context: ConnectorContext,
): Promise<FindSentOutcome> {
  const post = preparedPost.parse(prepared)
  try {
    const session = await openSession(channel, context)
    if (session.did !== post.repo) return unknown('The channel is connected to another account than the reply was for')
    const stored = await findStoredPost(session, post)
    if (stored.found === 'ours') return await sentEarlier(session, post)
    if (stored.found === 'none') return { outcome: 'not_found' }
    return unknown(stored.found === 'unknown' ? stored.reason : 'Another post is stored under the key of this reply')
  } catch (error) {
    if (error instanceof ChannelAuthError || error instanceof XrpcFailure) return unknown(error.message)
    throw error
  }
}

async function outcomeOf(
  answer: XrpcAnswer,
  post: PreparedPost,
  session: BlueskySession,
  started_at: Date,
  context: ConnectorContext,
): Promise<SendOutcome> {
  if (answer.ok) return accepted(answer, post, session, started_at, context)
  if (answer.status === 429) return retry(describe(answer), retryAt(answer, context.now()), context)
  if (answer.error === 'InvalidSwap') {
    const stored = await findStoredPost(session, post)
    if (stored.found === 'ours') return sentEarlier(session, post)
    if (stored.found === 'other') return rejected('Another post is stored under the key of this reply')
    return unknown(stored.found === 'unknown' ? stored.reason : describe(answer))
  }
  // Errors without the protocol's name come from something in between, which may have passed the request on. A 500 is
  // generic, and a gateway's 502 to 504 tells nothing about the server behind it.
  const certain = answer.error !== null && answer.status < 500 && answer.status !== 408
  return certain || answer.status === 413 || answer.status === 501
    ? rejected(describe(answer))
    : unknown(describe(answer))
}

const putBody = z.looseObject({ uri: z.string(), commit: z.unknown().optional() })

async function accepted(
  answer: XrpcAnswer,
  post: PreparedPost,
  session: BlueskySession,
  started_at: Date,
  context: ConnectorContext,
): Promise<SendOutcome> {
  const body = putBody.safeParse(answer.body)
  if (!body.success || body.data.uri !== postUri(post.repo, post.rkey))
    return unknown('The answer to the post is not understood')
  // Without a commit nothing changed: an earlier attempt had stored the post.
  if (!body.data.commit) return sentEarlier(session, post)
  return sentOutcome(post, acceptedAt(answer, started_at, context.now()))
}

/**
 * The network's acceptance time. The answer's body has none, its `date` header has whole seconds of a clock that may
 * be wrong: it is believed as far as it lies between our call and its answer.
 */
function acceptedAt(answer: XrpcAnswer, started_at: Date, answered_at: Date): Date {
  const date = Date.parse(answer.headers.get('date') ?? '')
  if (!Number.isFinite(date)) return answered_at
  return new Date(Math.min(Math.max(date, started_at.getTime()), answered_at.getTime()))
}

function rejected(reason: string) {
  return { outcome: 'rejected' as const, reason }
}

function unknown(reason: string) {
  return { outcome: 'unknown' as const, reason }
}

function retry(reason: string, retry_at: Date | null, context: ConnectorContext) {
  const soonest = context.now().getTime() + DEFAULT_RETRY_MS
  return { outcome: 'retry' as const, reason, retry_at: retry_at ?? new Date(soonest) }
}
