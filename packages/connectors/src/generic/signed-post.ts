import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, SendOutcome } from '../connector.ts'
import { EgressBlocked } from '../egress.ts'
import { neverSent } from '../never-sent.ts'
import { retryAfterMs } from '../retry-after.ts'
import { storable } from '../text/storable.ts'
import { genericCredentials, genericSettings } from './schemas.ts'
import { sign } from './signature.ts'

const DEFAULT_RETRY_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1024

const text = z.string().transform(storable)
const problemBody = z.looseObject({ detail: text.optional().catch(undefined), title: text.optional().catch(undefined) })

/** The setting that names the address, and what is POSTed there in the words of its refusals. */
type Target = { setting: 'reply_url' | 'action_url'; what: 'replies' | 'actions' }

/** A 2xx; `body` is undefined where there is none that can be read. */
export type Taken = { outcome: 'taken'; status: number; body: unknown; started_at: Date }
type NotTaken = Exclude<SendOutcome, { outcome: 'sent' }>

/**
 * POSTs a body, signed as Standard Webhooks has it: the bytes and their id are those of every repeat, timestamp and
 * signature belong to this call. Every doubt is `unknown`: the receiver may have done it.
 */
export async function signedPost(
  channel: ConnectedChannel,
  { setting, what }: Target,
  { webhook_id, body }: { webhook_id: string; body: string },
  context: ConnectorContext,
): Promise<Taken | NotTaken> {
  const url = genericSettings.parse(channel.settings)[setting]
  const secrets = genericCredentials.parse(channel.credentials).signing_secrets ?? []
  if (!url) return { outcome: 'rejected', reason: `The channel has no ${setting} to send to.` }
  if (!secrets[0]) return { outcome: 'rejected', reason: `The channel has no signing secret to sign ${what} with.` }
  const bytes = Buffer.from(body)
  const started_at = context.now()
  const timestamp = Math.floor(started_at.getTime() / 1000)
  try {
    const response = await context.fetch(url, {
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
    const answer = await readJson(response)
    if (response.ok) return { outcome: 'taken', status: response.status, body: answer, started_at }
    return notTaken(response, answer, setting, context)
  } catch (error) {
    return failedToConnect(error, setting, context)
  }
}

/** The receiver's clock may be wrong, and waits are measured by it: it took this while we called, not before. */
export function acceptedAt({ started_at }: Taken, accepted_at: string | null | undefined, latest: Date): Date {
  const at = accepted_at ? new Date(accepted_at) : undefined
  if (!at || at > latest) return latest
  return at < started_at ? started_at : at
}

function failedToConnect(error: unknown, setting: string, context: ConnectorContext): NotTaken {
  if (error instanceof EgressBlocked) {
    return { outcome: 'rejected', reason: `The ${setting} is not an address that may be called.` }
  }
  const code = neverSent(error)
  if (code) {
    const retry_at = new Date(context.now().getTime() + DEFAULT_RETRY_MS)
    return { outcome: 'retry', reason: `The ${setting} cannot be reached (${code}).`, retry_at }
  }
  return { outcome: 'unknown', reason: 'The connection was lost before the answer came.' }
}

function notTaken(response: Response, body: unknown, setting: string, context: ConnectorContext): NotTaken {
  const { status } = response
  if (status === 429) {
    return { outcome: 'retry', reason: 'The receiver asks to wait (429).', retry_at: retryAt(response, context.now()) }
  }
  if (status === 301 || status === 307 || status === 308) {
    // "Send it there instead": it was not taken here. After a 302 or 303 it may have been: that is also how web
    // frameworks answer a form they have processed.
    return { outcome: 'rejected', reason: `The ${setting} redirects (${status}), and redirects are not followed.` }
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

function retryAt(response: Response, now: Date): Date {
  return new Date(now.getTime() + (retryAfterMs(response.headers.get('retry-after'), now) ?? DEFAULT_RETRY_MS))
}
