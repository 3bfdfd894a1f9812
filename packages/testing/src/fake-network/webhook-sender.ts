import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { below, type Random, seededRandom, shuffled } from './random.ts'
import type { Recorder } from './record.ts'
import { type StoryEvent, type StoryOptions, tellStory } from './story.ts'

export type SendOptions = {
  /** The name of the channel in the record. */
  channel: string
  hook_url: string
  signing_secret: string
  story: StoryOptions
  /** Requests hold a random number of events from 1 to this many; 100 by default. */
  max_events?: number
  /** How many requests are on their way at a time; 4 by default. */
  concurrency?: number
  /** Events come in any order, so edits and deletions before their messages; otherwise in order. */
  shuffle?: boolean
  /** The share of events that are sent again in another request. */
  repeated?: number
  /** How long between two requests of one sender. */
  pause_ms?: number
  /** How often a request may be tried; without end by default. */
  tries?: number
}

export type SendResult = { requests: number; acknowledged: number; given_up: number }

const ANSWER_MS = 15_000
const MAX_WAIT_MS = 2_000

/** Posts a story to a generic channel. What is not answered with 2xx is posted again, under the same id. */
export async function sendStory(options: SendOptions, record: Recorder): Promise<SendResult> {
  const random = seededRandom(options.story.seed + 1)
  const requests = requestsOf(random, options)
  const result: SendResult = { requests: requests.length, acknowledged: 0, given_up: 0 }
  let next = 0
  const worker = async () => {
    for (let at = next++; at < requests.length; at = next++) {
      const events = requests[at]!
      const done = await post(options, `${options.story.name}-request-${at}`, events, random, record)
      if (done) result.acknowledged += 1
      else result.given_up += 1
      if (options.pause_ms) await delay(options.pause_ms)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency ?? 4 }, worker))
  return result
}

function requestsOf(random: Random, options: SendOptions): StoryEvent[][] {
  const told = tellStory(options.story)
  const again = told.filter(() => random() < (options.repeated ?? 0))
  const events = options.shuffle ? shuffled(random, [...told, ...again]) : [...told, ...again]
  const requests: StoryEvent[][] = []
  for (let from = 0; from < events.length; ) {
    const size = 1 + below(random, options.max_events ?? 100)
    requests.push(events.slice(from, from + size))
    from += size
  }
  return requests
}

async function post(
  options: SendOptions,
  id: string,
  events: StoryEvent[],
  random: Random,
  record: Recorder,
): Promise<boolean> {
  const { channel } = options
  for (const event of events) record({ kind: 'emitted', channel, event })
  const body = Buffer.from(JSON.stringify({ events: events.map(webhookEvent) }))
  for (let tries = 1; tries <= (options.tries ?? Number.POSITIVE_INFINITY); tries += 1) {
    const start = performance.now()
    const answer = await fetch(options.hook_url, {
      method: 'POST',
      headers: signedHeaders(options.signing_secret, id, body),
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
      .then(async response => ({ response, text: await response.text() }))
      .catch((error: Error) => error)
    const ms = Math.round(performance.now() - start)
    if (answer instanceof Error) {
      const detail = String((answer.cause as Error | undefined)?.message ?? answer.message)
      record({ kind: 'request', channel, id, status: 0, retry_after: null, ms, detail })
      await delay(50 + below(random, 200))
      continue
    }
    const { response, text } = answer
    const retry_after = response.headers.get('retry-after')
    if (response.ok) {
      const { rejected } = JSON.parse(text) as { rejected: { index: number }[] }
      const refused = new Set(rejected.map(({ index }) => index))
      record({ kind: 'acknowledged', channel, ids: events.filter((_, at) => !refused.has(at)).map(event => event.id) })
      record({ kind: 'request', channel, id, status: response.status, retry_after, ms })
      return true
    }
    record({ kind: 'request', channel, id, status: response.status, retry_after, ms, detail: text.slice(0, 300) })
    const asked = Number(retry_after ?? 0) * 1000
    await delay(Math.min(asked || 0, MAX_WAIT_MS) + 50 + below(random, 200))
  }
  return false
}

/** Standard Webhooks 1.0.0, written from the specification and not with Parley's own code. */
function signedHeaders(secret: string, id: string, body: Buffer): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000)
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${mac}`,
  }
}

function webhookEvent(event: StoryEvent) {
  const { id, external_id, version, deleted, thread, author, text, occurred_at, version_at } = event
  if (deleted)
    return { id, type: 'message.deleted', timestamp: version_at, data: { external_id, deleted_at: version_at } }
  return {
    id,
    type: version === 1 ? 'message.received' : 'message.updated',
    timestamp: version_at,
    data: {
      external_id,
      thread_id: thread,
      parent_id: thread === external_id ? null : thread,
      kind: 'comment',
      author: { platform_id: author.id, name: author.name },
      text,
      created_at: occurred_at,
      ...(version === 1 ? {} : { edited_at: version_at }),
    },
  }
}
