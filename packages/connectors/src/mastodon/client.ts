import { z } from 'zod'
import type { ConnectorContext } from '../connector.ts'
import { NetworkUnavailable, TooLate } from '../errors.ts'
import { resetAt, retryAfterAt } from '../rate-limit.ts'
import { storable } from '../text/storable.ts'

type Parameter = string | number | boolean | readonly string[] | null

/**
 * One call over the context's fetch, its answer as a value. Not by a client library: those keep the headers to
 * themselves, which say when a limit ends, and page into the past where polling goes forward.
 */
export type MastodonCall = {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Ids in it are encoded by `idIn`: those of some servers have slashes. */
  path: string
  query?: Record<string, Parameter>
  json?: Record<string, unknown>
  form?: FormData
  headers?: Record<string, string>
  /** A call that others wait behind is given up after this. */
  timeout_ms?: number
}

export type MastodonAnswer = {
  /** What was called, for messages. */
  name: string
  ok: boolean
  status: number
  /** The server's own words; null when the answer is not one of its API, such as a proxy's HTML page. */
  error: string | null
  headers: Headers
  body: unknown
}

/** A call that got no usable answer. */
export class MastodonFailure extends NetworkUnavailable {
  override name = 'MastodonFailure'
  /** Null when no answer came at all. */
  readonly status: number | null

  constructor(message: string, status: number | null, retry_at: Date | null, options?: ErrorOptions) {
    super(message, retry_at, options)
    this.status = status
  }
}

const MAX_ERROR_LENGTH = 500
const UNNAMED_RESET_MS = 60_000

export const idIn = (id: string): string => encodeURIComponent(id)

/** @throws MastodonFailure when no complete answer came, with what `fetch` threw as its cause; TooLate */
export async function callMastodon(
  context: Pick<ConnectorContext, 'fetch' | 'signal'>,
  server_url: string,
  call: MastodonCall,
  token?: string,
): Promise<MastodonAnswer> {
  const { method = 'GET', path } = call
  const name = `${method} ${path.split('?')[0]}`
  const { body, type } = await bodyOf(call)
  const headers: Record<string, string> = {
    accept: 'application/json',
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(type ? { 'content-type': type } : {}),
    ...call.headers,
  }
  try {
    const request = { method, headers, ...(body ? { body } : {}), signal: signalOf(call, context.signal) }
    const response = await context.fetch(urlOf(server_url, call), request)
    return answerOf(name, response, await response.text())
  } catch (cause) {
    if (cause instanceof TooLate) throw cause
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new MastodonFailure(`${name}: ${detail}`, null, null, { cause })
  }
}

function signalOf({ timeout_ms }: MastodonCall, signal: AbortSignal): AbortSignal {
  return timeout_ms === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeout_ms)])
}

/** Multipart is written out here: the `fetch` of another library does not know this one's forms. */
async function bodyOf({ json, form }: MastodonCall) {
  if (json) return { body: Buffer.from(JSON.stringify(json)), type: 'application/json' }
  if (!form) return { body: null, type: null }
  const written = new Response(form)
  return { body: Buffer.from(await written.arrayBuffer()), type: written.headers.get('content-type') }
}

function urlOf(server_url: string, { path, query = {} }: MastodonCall): string {
  const url = new URL(path, server_url)
  for (const [name, value] of Object.entries(query)) {
    if (value === null) continue
    if (Array.isArray(value)) for (const one of value) url.searchParams.append(`${name}[]`, one)
    else url.searchParams.append(name, String(value))
  }
  return url.href
}

const errorBody = z.looseObject({ error: z.string().min(1) })

function answerOf(name: string, { ok, status, headers }: Response, text: string): MastodonAnswer {
  const body = parseJson(text)
  const said = ok ? undefined : errorBody.safeParse(body).data?.error
  return { name, ok, status, error: said ? storable(said).slice(0, MAX_ERROR_LENGTH) : null, headers, body }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The body of a good answer, checked.
 * @throws MastodonFailure for any other answer
 */
export function goodBody<T>(answer: MastodonAnswer, schema: z.ZodType<T>, now: Date): T {
  if (!answer.ok) throw failureOf(answer, now)
  const body = schema.safeParse(answer.body)
  if (body.success) return body.data
  // A page of HTML with 200 is a proxy's way of saying "later".
  throw new MastodonFailure(`${answer.name}: the answer is not understood`, answer.status, null)
}

export function failureOf(answer: MastodonAnswer, now: Date): MastodonFailure {
  return new MastodonFailure(`${answer.name}: ${describe(answer)}`, answer.status, retryAt(answer, now))
}

/** In words fit for an agent: the server's own where it has any. */
export function describe({ error, status }: MastodonAnswer): string {
  return error ? `${error} (${status})` : `HTTP ${status}`
}

/** When the server asks us back; null when it does not say. A 429 has no Retry-After but an ISO time. */
export function retryAt(answer: MastodonAnswer, now: Date): Date | null {
  const after = retryAfterAt(answer.headers, now)
  // The headers stand on every answer: only a 429 makes them a reason to wait.
  if (after || answer.status !== 429) return after
  return resetAt(answer.headers, now) ?? new Date(now.getTime() + UNNAMED_RESET_MS)
}
