import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cleanup } from './cleanup.ts'
import type { Recorder } from './recorder.ts'
import { median, percentile } from './report.ts'
import { type Deployment, deploy, type Servers, settle } from './servers.ts'

const REPLIES = 200
const WARM_UP_REPLIES = 50
const PER_SECOND = 20
/** What a network takes to publish a post; it is not ours, and taken off. */
const NETWORK_MS = 20
const DRAINED_MS = 30_000

/**
 * How long a reply takes from its 202 until its network has accepted it, with an agent who answers twenty customers a
 * second: one API, one worker, and a network that takes its time.
 */
export async function prepareReply(cleanup: Cleanup, servers: Servers) {
  const deployment = await deploy(cleanup, servers, 'parley_reply', ['api', 'worker'])
  const network = await startNetwork(cleanup)
  await measureReplies(deployment, network, 'warm-up', WARM_UP_REPLIES)

  return async (run: number, record: Recorder): Promise<void> => {
    await settle(servers)
    const { accepted, own } = await measureReplies(deployment, network, `reply-${run}`, REPLIES)
    record.figure('reply: p50 from 202 to accepted by the network', 'ms', median(accepted))
    record.figure('reply: p99 from 202 to accepted by the network', 'ms', percentile(accepted, 0.99))
    record.figure("reference: p50 of the network's own time", 'ms', median(own))
    record.ratio('reply_p50_over_network_ms', median(accepted) - median(own))
  }
}

type Network = { url: string; arrivals: Map<string, { at: number; accepted_at: number }> }

/** Publishes every reply it gets, after a while. */
async function startNetwork(cleanup: Cleanup): Promise<Network> {
  const arrivals: Network['arrivals'] = new Map()
  const server = createServer(async (request, response) => {
    const at = performance.now()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: { message_id: string } }
    await delay(NETWORK_MS)
    arrivals.set(data.message_id, { at, accepted_at: performance.now() })
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ external_id: `post-${data.message_id}` }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanup.defer(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, arrivals }
}

/** Answers as many customers as there are to be replies, at even distances. */
async function measureReplies(deployment: Deployment, network: Network, name: string, count: number) {
  const conversations = await ask(deployment, network, name, count)
  const queued = new Map<string, number>()
  const start = performance.now()
  const sending = conversations.map(async (id, index) => {
    await delay(start + (index * 1000) / PER_SECOND - performance.now())
    const headers = { 'idempotency-key': `${name}-${index}-of-the-bench` }
    const reply = await call(
      deployment,
      'POST',
      `/v1/conversations/${id}/replies`,
      { body: 'It is on its way.' },
      headers,
    )
    queued.set(reply.id as string, performance.now())
  })
  await Promise.all(sending)
  await until('every reply is accepted', () => [...queued.keys()].every(id => network.arrivals.has(id)))
  const taken = [...queued].map(([id, queued_at]) => ({ queued_at, ...network.arrivals.get(id)! }))
  return {
    accepted: taken.map(({ queued_at, accepted_at }) => accepted_at - queued_at),
    own: taken.map(({ at, accepted_at }) => accepted_at - at),
  }
}

/** A channel whose replies go to the network, with one customer in each of its conversations. */
async function ask(deployment: Deployment, network: Network, name: string, count: number): Promise<string[]> {
  const bearer_secret = randomBytes(24).toString('base64url')
  const signing_secrets = [`whsec_${randomBytes(32).toString('base64')}`]
  const channel = await call(deployment, 'POST', '/v1/channels', {
    ...{ kind: 'generic', name, inbox_id: deployment.inbox_id },
    settings: { reply_url: `${network.url}/replies` },
    credentials: { signing_secrets, bearer_secret },
  })
  const created_at = new Date().toISOString()
  const events = Array.from({ length: count }, (_, index) => ({
    type: 'message.received',
    data: {
      external_id: `${name}-${index}`,
      kind: 'comment',
      author: { platform_id: `${name}-${index}`, name: 'Ana' },
      text: 'Where is my order?',
      created_at,
    },
  }))
  const authorization = `Bearer ${bearer_secret}`
  await call(deployment, 'POST', `/hooks/${channel.id}`, { events }, { authorization })
  const ids: string[] = []
  await until('every customer is in the inbox', async () => {
    ids.length = 0
    for (let cursor = ''; ; ) {
      const page = await call(deployment, 'GET', `/v1/conversations?channel_id=${channel.id}&limit=100${cursor}`)
      ids.push(...(page.data as { id: string }[]).map(({ id }) => id))
      if (!page.next_cursor) break
      cursor = `&cursor=${encodeURIComponent(page.next_cursor as string)}`
    }
    return ids.length === count
  })
  return ids
}

async function call(
  { apiUrl, apiKey }: Deployment,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(new URL(path, apiUrl), {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}

async function until(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now()
  while (!(await ask())) {
    if (performance.now() - start > DRAINED_MS) throw new Error(`waited in vain until ${what}`)
    await delay(20)
  }
}
