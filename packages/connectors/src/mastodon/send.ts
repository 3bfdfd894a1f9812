import type { ConnectedChannel, ConnectorContext, PreparedSend, SendOutcome } from '../connector.ts'
import { EgressBlocked } from '../egress.ts'
import { SendRefused } from '../errors.ts'
import { neverSent } from '../never-sent.ts'
import { describe, type MastodonAnswer, MastodonFailure, retryAt } from './client.ts'
import { type StatusEntity, statusEntity } from './entities.ts'
import { allReady } from './media.ts'
import { type PreparedStatus, preparedStatus } from './prepare.ts'
import type { ReplyContext } from './reply-context.ts'
import { MastodonSession } from './session.ts'

const DEFAULT_RETRY_MS = 30_000
const MEDIA_RETRY_MS = 10_000

/**
 * Posts the frozen status. It says `rejected` or `retry` only where the server cannot have taken it; every doubt is
 * `unknown`, also "there was a temporary problem", which is what a repeat is told while the first one is at work.
 * @throws ChannelAuthError when the token is refused: nothing was posted
 */
export async function send(
  channel: ConnectedChannel,
  prepared: PreparedSend,
  context: ConnectorContext,
): Promise<SendOutcome> {
  const post = preparedStatus.parse(prepared)
  if (post.account_id !== channel.external_id)
    return rejected('The channel is connected to another account than the reply was for')
  const session = new MastodonSession(channel, context)
  const unready = await waitForMedia(session, post, context)
  if (unready) return unready
  const started_at = context.now()
  context.assertInTime()
  try {
    const answer = await session.call({
      method: 'POST',
      path: '/api/v1/statuses',
      json: post.body,
      headers: { 'idempotency-key': post.idempotency_key },
    })
    return outcomeOf(answer, post, started_at, context)
  } catch (error) {
    return failed(error, context)
  }
}

/** Before the post itself is on the wire nothing can be visible. */
async function waitForMedia(
  session: MastodonSession,
  { body }: PreparedStatus,
  context: ConnectorContext,
): Promise<SendOutcome | undefined> {
  try {
    if (await allReady(session, body.media_ids ?? [], context)) return undefined
    return retry('The server still works on a file', null, context, MEDIA_RETRY_MS)
  } catch (error) {
    if (error instanceof SendRefused) return rejected(error.message)
    if (error instanceof MastodonFailure) return retry(error.message, error.retry_at, context)
    throw error
  }
}

/** What came of a write that got no answer. */
export function failed(error: unknown, context: ConnectorContext) {
  if (!(error instanceof MastodonFailure)) throw error
  if (error.cause instanceof EgressBlocked) return rejected('The address of this server may not be called')
  if (neverSent(error.cause)) return retry('The server cannot be reached', null, context)
  // The token was being renewed: the post itself was not sent, or refused.
  if (error.status !== null) return retry(error.message, error.retry_at, context)
  return unknown('The connection was lost before the answer came')
}

function outcomeOf(
  answer: MastodonAnswer,
  post: PreparedStatus,
  started_at: Date,
  context: ConnectorContext,
): SendOutcome {
  if (!answer.ok) return refusal(answer, context)
  const status = statusEntity.safeParse(answer.body).data
  if (!status) return unknown('The answer to the post is not understood')
  return sentOutcome(status, post, { earliest: started_at, latest: context.now() })
}

/** What came of a write that was answered, and not with success. */
export function refusal(answer: MastodonAnswer, context: ConnectorContext) {
  const { status, error } = answer
  if (status === 429) return retry(describe(answer), retryAt(answer, context.now()), context)
  // Overloaded, and turned away at the door: with a time to come back, the request was not looked at.
  if (status === 503 && answer.headers.has('retry-after'))
    return retry(describe(answer), retryAt(answer, context.now()), context)
  if ([301, 307, 308].includes(status)) return rejected(`The server has moved (${status}): connect the new address`)
  // Without words of the API it comes from something in between, which may have passed the request on.
  const certain = (error !== null && status >= 400 && status < 500 && status !== 408) || status === 413
  return certain ? rejected(describe(answer)) : unknown(describe(answer))
}

/** The server's own time of the post, as far as it can be true: the wait is measured by it. */
export function sentOutcome(
  status: StatusEntity,
  post: PreparedStatus,
  { earliest, latest }: { earliest: Date; latest: Date },
) {
  const at = Date.parse(status.created_at)
  const told = Number.isFinite(at) ? at : latest.getTime()
  // A repeat is answered with the first post, which is older than this call and never older than the reply.
  const from = told < earliest.getTime() ? Date.parse(post.queued_at) : earliest.getTime()
  const reply_context: ReplyContext = {
    id: status.id,
    mentions: post.mentions,
    spoiler_text: post.body.spoiler_text ?? '',
  }
  return {
    outcome: 'sent' as const,
    external_id: status.id,
    accepted_at: new Date(Math.min(Math.max(told, from), latest.getTime())),
    permalink: status.url ?? status.uri ?? null,
    reply_context,
  }
}

export function rejected(reason: string) {
  return { outcome: 'rejected' as const, reason }
}

export function unknown(reason: string) {
  return { outcome: 'unknown' as const, reason }
}

function retry(reason: string, retry_at: Date | null, context: ConnectorContext, defaultMs = DEFAULT_RETRY_MS) {
  return { outcome: 'retry' as const, reason, retry_at: retry_at ?? new Date(context.now().getTime() + defaultMs) }
}
