import { z } from 'zod'
import type { ConnectorContext } from '../connector.ts'
import { resetAt, retryAfterAt } from '../rate-limit.ts'
import { XrpcFailure } from './errors.ts'

/**
 * One XRPC call over the context's fetch, its answer as a value.
 *
 * The client of @atproto/api is not used for this: it rotates tokens without waiting for them to be saved, hands
 * `Request` objects of another undici to our fetch, folds unknown statuses into known ones (a proxy's 408 becomes
 * `InvalidRequest`), and refuses a whole page of notifications when one of them does not fit its lexicon.
 */
export type XrpcCall = {
  nsid: string
  /** Query parameters make it a GET; an input, even `null` for "no body", or bytes make it a POST. */
  params?: Record<string, string | number | boolean | readonly string[]>
  input?: unknown
  /** A file, sent as it is. */
  bytes?: { media_type: string; content: Buffer }
}

export type XrpcAnswer = {
  nsid: string
  ok: boolean
  status: number
  /** The error's name; null when the answer is not one the protocol describes, such as a proxy's HTML page. */
  error: string | null
  message: string
  headers: Headers
  body: unknown
}

const errorBody = z.looseObject({ error: z.string().min(1), message: z.string().optional() })

/** @throws XrpcFailure when no complete answer came */
export async function callXrpc(
  context: Pick<ConnectorContext, 'fetch' | 'signal'>,
  service: string,
  call: XrpcCall,
  token?: string,
): Promise<XrpcAnswer> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  const sent = contentOf(call)
  if (sent) headers['content-type'] = sent.media_type
  try {
    const response = await context.fetch(urlOf(service, call), {
      method: call.input === undefined && !call.bytes ? 'GET' : 'POST',
      headers,
      ...(sent ? { body: sent.content } : {}),
      redirect: 'error',
      signal: context.signal,
    })
    return answerOf(call.nsid, response, await response.text())
  } catch (cause) {
    throw new XrpcFailure(call.nsid, cause instanceof Error ? cause.message : String(cause), null, null, { cause })
  }
}

/**
 * The body of a good answer, checked.
 * @throws XrpcFailure for any other answer
 */
export function bodyOf<T>(answer: XrpcAnswer, schema: z.ZodType<T>, now: Date): T {
  if (!answer.ok) throw failureOf(answer, now)
  const body = schema.safeParse(answer.body)
  if (!body.success) throw new XrpcFailure(answer.nsid, 'the answer is not understood', answer.status, null)
  return body.data
}

export function failureOf(answer: XrpcAnswer, now: Date): XrpcFailure {
  return new XrpcFailure(answer.nsid, describe(answer), answer.status, retryAt(answer, now))
}

/** In words fit for an agent: the network's own where it has any. */
export function describe(answer: XrpcAnswer): string {
  return answer.error ? `${answer.error}: ${answer.message}` : `HTTP ${answer.status}`
}

/**
 * When the network asks us back; null when it does not say. `ratelimit-reset` is in Unix seconds, and the reference
 * server sends no `retry-after` with its 429 (seen on PDS 0.4.217).
 */
export function retryAt(answer: XrpcAnswer, now: Date): Date | null {
  // Headers name the tightest limit of the call, reached or not: only a 429 makes them a reason to wait.
  return retryAfterAt(answer.headers, now) ?? (answer.status === 429 ? resetAt(answer.headers, now) : null)
}

function contentOf({ input, bytes }: XrpcCall): { media_type: string; content: string | Buffer<ArrayBuffer> } | null {
  if (bytes) return { ...bytes, content: Buffer.from(bytes.content) }
  if (input === undefined || input === null) return null
  return { media_type: 'application/json', content: JSON.stringify(input) }
}

function urlOf(service: string, call: XrpcCall): string {
  const url = new URL(`/xrpc/${call.nsid}`, service)
  for (const [name, value] of Object.entries(call.params ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one))
  }
  return url.href
}

function answerOf(nsid: string, response: Response, text: string): XrpcAnswer {
  const { ok, status, headers } = response
  const body = parseJson(text)
  const refusal = ok ? null : errorBody.safeParse(body)
  const error = refusal?.success ? refusal.data.error : null
  return { nsid, ok, status, error, message: (refusal?.success && refusal.data.message) || '', headers, body }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
