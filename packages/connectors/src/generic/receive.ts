import { createHash, timingSafeEqual } from 'node:crypto'
import type { z } from 'zod'
import type { ConnectedChannel, ReceivedBatch, ReceivedEvent, WebhookRequest } from '../connector.ts'
import { InvalidSignature, MalformedPayload } from '../errors.ts'
import { isStorable } from '../text/storable.ts'
import { anyEvent, batchBody, genericCredentials, KNOWN_TYPES, knownEvent } from './schemas.ts'
import { verify } from './signature.ts'
import { threadKey } from './thread-key.ts'

const MAX_DEPTH = 32

/** Believes the sender first, on the raw bytes, and only then reads what they say. */
export function receive(channel: ConnectedChannel, request: WebhookRequest): ReceivedBatch {
  authenticate(channel, request)
  const body = parseJson(request.rawBody)
  const webhookId = single(request.headers['webhook-id'])
  const batch = batchBody.safeParse(body)
  if (!batch.success) {
    if (isBatch(body)) throw new MalformedPayload(describe(batch.error))
    const checked = check(body, webhookId ?? undefined)
    if ('problem' in checked) throw new MalformedPayload(checked.problem)
    return { events: checked.event ? [checked.event] : [], rejected: [] }
  }
  const events: ReceivedEvent[] = []
  const rejected: ReceivedBatch['rejected'] = []
  batch.data.events.forEach((item, index) => {
    const checked = check(item, webhookId ? `${webhookId}:${index}` : undefined)
    if ('problem' in checked) rejected.push({ index, code: 'invalid-event', detail: checked.problem })
    else if (checked.event) events.push(checked.event)
  })
  return { events, rejected }
}

function authenticate(channel: ConnectedChannel, request: WebhookRequest): void {
  const credentials = genericCredentials.parse(channel.credentials)
  const id = single(request.headers['webhook-id'])
  const timestamp = single(request.headers['webhook-timestamp'])
  const signature = single(request.headers['webhook-signature'])
  if (id && timestamp && signature && credentials.signing_secrets) {
    const headers = { id, timestamp, signature }
    if (verify(credentials.signing_secrets, headers, request.rawBody, request.now)) return
  }
  const bearer = /^Bearer ([\x21-\x7e]{1,256})$/.exec(single(request.headers.authorization) ?? '')?.[1]
  if (bearer && credentials.bearer_secret && sameSecret(bearer, credentials.bearer_secret)) return
  throw new InvalidSignature('the sender could not be verified')
}

/** Compares digests, so that neither content nor length shows in the time taken. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** A header that came exactly once. */
function single(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function parseJson(rawBody: Buffer): unknown {
  const text = decode(rawBody)
  if (isTooDeep(text)) throw new MalformedPayload(`the body is nested deeper than ${MAX_DEPTH} levels`)
  try {
    return JSON.parse(text)
  } catch {
    throw new MalformedPayload('the body is not JSON in UTF-8')
  }
}

function decode(rawBody: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(rawBody)
  } catch {
    throw new MalformedPayload('the body is not JSON in UTF-8')
  }
}

const codeOf = (character: string) => character.charCodeAt(0)
const QUOTE = codeOf('"')
const BACKSLASH = codeOf('\\')
const OPENING = [codeOf('{'), codeOf('[')]
const CLOSING = [codeOf('}'), codeOf(']')]

/**
 * Counts brackets in the text, so that neither a deep nor a wide body costs more than reading it once: a value would
 * have to be walked, with a stack or with a list of all its fields.
 */
function isTooDeep(json: string): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (inString) {
      if (code === BACKSLASH) at += 1
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (OPENING.includes(code)) depth += 1
    else if (CLOSING.includes(code)) depth -= 1
    if (depth > MAX_DEPTH) return true
  }
  return false
}

const isBatch = (body: unknown) => typeof body === 'object' && body !== null && 'events' in body

type Checked = { event: ReceivedEvent | undefined } | { problem: string }

function check(item: unknown, fallbackId: string | undefined): Checked {
  const event = anyEvent.safeParse(item)
  if (!event.success) return { problem: describe(event.error) }
  if (event.data.type === 'ping') return { event: undefined }
  let thread_key: string | null = null
  if (KNOWN_TYPES.has(event.data.type)) {
    const known = knownEvent.safeParse(item)
    if (!known.success) return { problem: describe(known.error) }
    if (known.data.type !== 'message.deleted') thread_key = threadKey(known.data.data)
  }
  // A sender that names neither its events nor its requests still repeats itself word for word.
  const dedup_key = dedupKey(event.data.id) ?? fallbackId ?? hashOf(item)
  return { event: { dedup_key, thread_key, payload: item } }
}

/** The sender's own id; one that Postgres does not take stands as its hash, so that two such ids stay two. */
function dedupKey(id: string | undefined): string | undefined {
  return id === undefined || isStorable(id) ? id : hashOf(id)
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

function describe(error: z.ZodError): string {
  const issue = error.issues[0]!
  return `/${issue.path.join('/')}: ${issue.message}`
}
