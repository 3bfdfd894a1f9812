import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, FindSentOutcome, PreparedSend, SendOutcome } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { postUri } from './at-uri.ts'
import { XrpcFailure } from './errors.ts'
import { acceptedAt, refusalOf, rejected, retry, unknown } from './outcomes.ts'
import { findStoredPost, type PreparedPost, preparedPost, sentEarlier, sentOutcome } from './post.ts'
import { type BlueskySession, openSession } from './session.ts'
import { describe, type XrpcAnswer } from './xrpc.ts'

const PUT_RECORD = 'com.atproto.repo.putRecord'

/**
 * Images that no post refers to are kept for hours. A post that misses one uploaded longer ago than this is prepared
 * anew, with its images; one that misses a fresh one would do so again.
 */
const FRESH_UPLOAD_MS = 10 * 60_000

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
    context.assertInTime()
    const answer = await session.call({ nsid: PUT_RECORD, input: post })
    return await outcomeOf(answer, post, session, started_at, context)
  } catch (error) {
    // Refused at the door: the reply waits until somebody connects the account again.
    if (error instanceof ChannelAuthError) return retry(error.message, null, context)
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
    if (stored.found === 'ours') return await sentEarlier(session, post, stored.cid)
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
  if (answer.error === 'InvalidSwap') {
    const stored = await findStoredPost(session, post)
    if (stored.found === 'ours') return sentEarlier(session, post, stored.cid)
    if (stored.found === 'other') return rejected('Another post is stored under the key of this reply')
    return unknown(stored.found === 'unknown' ? stored.reason : describe(answer))
  }
  const uploaded_at = Date.parse(post.record.createdAt)
  if (answer.error === 'BlobNotFound' && context.now().getTime() - uploaded_at > FRESH_UPLOAD_MS)
    return retry('Its images have to be uploaded again', context.now(), context)
  return refusalOf(answer, context)
}

const putBody = z.looseObject({ uri: z.string(), cid: z.string().min(1).optional(), commit: z.unknown().optional() })

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
  const { cid = null, commit } = body.data
  // Without a commit nothing changed: an earlier attempt had stored the post.
  if (!commit) return sentEarlier(session, post, cid)
  return sentOutcome(post, cid, acceptedAt(answer, started_at, context.now()))
}
