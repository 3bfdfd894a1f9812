import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, OutgoingReply, PreparedSend, SendOutcome } from '../connector.ts'
import { EgressBlocked } from '../egress.ts'
import { neverSent } from '../never-sent.ts'
import { retryAfterMs } from '../retry-after.ts'
import { storable } from '../text/storable.ts'
import { genericCredentials, genericSettings } from './schemas.ts'
import { sign } from './signature.ts'

const DEFAULT_RETRY_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1024
const prepared = z.strictObject({ webhook_id: z.string(), body: z.string() })
const text = z.string().transform(storable)
const answerBody = z.looseObject({
  external_id: text.pipe(z.string().min(1).max(1024)),
  // Only the id says whether it was published; what else is wrong must not cast doubt on that.
  accepted_at: z.iso.datetime({ offset: true }).nullish().catch(null),
  permalink: text.pipe(z.string().max(2048)).nullish().catch(null),
})
const problemBody = z.looseObject({ detail: text.optional().catch(undefined), title: text.optional().catch(undefined) })

/** The bytes are made once; only timestamp and signature belong to an attempt. */
export async function prepare(_: ConnectedChannel, reply: OutgoingReply, context: ConnectorContext) {
  const { message_id, text, visibility, thread_key, in_reply_to } = reply
  const body = JSON.stringify({
    type: 'reply.requested',
    timestamp: context.now().toISOString(),
    data: {
      message_id,
      thread_id: thread_key,
      in_reply_to: in_reply_to?.external_id ?? null,
      text,
      visibility,
      context: in_reply_to?.reply_context?.context ?? null,
    },
  })
  return { webhook_id: message_id, body }
}

/** POSTs the reply, signed. Every doubt is `unknown`: the receiver may have published it. */
export async function send(
  channel: ConnectedChannel,
  request: PreparedSend,
  context: ConnectorContext,
): Promise<SendOutcome> {
  const { webhook_id, body } = prepared.parse(request)
  const { reply_url } = genericSettings.parse(channel.settings)
  const secrets = genericCredentials.parse(channel.credentials).signing_secrets ?? []
  if (!reply_url) return { outcome: 'rejected', reason: 'The channel has no reply_url to send to.' }
  if (!secrets[0]) return { outcome: 'rejected', reason: 'The channel has no signing secret to sign replies with.' }
  const bytes = Buffer.from(body)
  const started_at = context.now()
  const timestamp = Math.floor(started_at.getTime() / 1000)
  let response: Response
  try {
    response = await context.fetch(reply_url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'parley-webhooks/1',
        'webhook-id': webhook_id,
        'webhook-timestamp': String(timestamp),
        // With two secrets, the receiver may be in the middle of changing them.
        'webhook-signature': secrets.map(secret => sign(secret, webhook_id, timestamp, bytes)).join(' '),
      },
      body: bytes,
      signal: context.signal,
    })
  } catch (error) {
    return failedToConnect(error, context)
  }
  return readAnswer(response, context, started_at)
}

function failedToConnect(error: unknown, context: ConnectorContext): SendOutcome {
  if (error instanceof EgressBlocked) {
    return { outcome: 'rejected', reason: 'The reply_url is not an address that may be called.' }
  }
  const code = neverSent(error)
  if (code) {
    const retry_at = new Date(context.now().getTime() + DEFAULT_RETRY_MS)
    return { outcome: 'retry', reason: `The reply_url cannot be reached (${code}).`, retry_at }
  }
  return { outcome: 'unknown', reason: 'The connection was lost before the answer came.' }
}

async function readAnswer(response: Response, context: ConnectorContext, started_at: Date): Promise<SendOutcome> {
  const body = await readJson(response)
  const { status } = response
  if (response.ok) {
    const answer = answerBody.safeParse(body)
    if (!answer.success) return { outcome: 'unknown', reason: `Answered ${status} without an external_id.` }
    const { external_id, accepted_at, permalink } = answer.data
    return {
      outcome: 'sent',
      external_id,
      accepted_at: between(started_at, accepted_at ? new Date(accepted_at) : undefined, context.now()),
      permalink: permalink ?? null,
    }
  }
  if (status === 429) {
    return { outcome: 'retry', reason: 'The receiver asks to wait (429).', retry_at: retryAt(response, context.now()) }
  }
  if (status === 301 || status === 307 || status === 308) {
    // "Send it there instead": it was not taken here. After a 302 or 303 it may have been: that is also how web
    // frameworks answer a form they have processed.
    return { outcome: 'rejected', reason: `The reply_url redirects (${status}), and redirects are not followed.` }
  }
  if (status >= 400 && status < 500 && status !== 408) {
    const problem = problemBody.safeParse(body).data
    const said = (problem?.detail ?? problem?.title ?? '').slice(0, 500).toWellFormed()
    return { outcome: 'rejected', reason: `The receiver refused it (${status})${said ? `: ${said}` : ''}.` }
  }
  return { outcome: 'unknown', reason: `The receiver answered ${status}.` }
}

/** Undefined when there is none, it is cut off, or it is larger than an answer needs to be. */
async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength
      // Leaving the loop closes the connection.
      if (bytes > MAX_ANSWER_BYTES) return undefined
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}

/** The receiver's clock may be wrong, and the wait is measured by it: it took the reply while we called, not before. */
function between(earliest: Date, at: Date | undefined, latest: Date): Date {
  if (!at || at > latest) return latest
  return at < earliest ? earliest : at
}

function retryAt(response: Response, now: Date): Date {
  return new Date(now.getTime() + (retryAfterMs(response.headers.get('retry-after'), now) ?? DEFAULT_RETRY_MS))
}
