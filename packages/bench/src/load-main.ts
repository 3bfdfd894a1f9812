import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { createCorpus, webhookEvent } from './corpus.ts'
import { HttpConnection, httpRequest } from './http-client.ts'
import type { FromLoad, Job, LoadResult } from './load.ts'

const WARM_CONNECTIONS = 8

const tell = (message: FromLoad) => process.send!(message)

/** Gets a job from its parent, makes the requests, waits for 'go' and posts them. */
async function main(): Promise<void> {
  const [job] = (await once(process, 'message')) as [Job]
  const requests = createRequests(job)
  const count = job.drive.kind === 'closed' ? job.drive.connections : WARM_CONNECTIONS
  const connections = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(new URL(job.url))))
  tell({ kind: 'ready' })
  await once(process, 'message')
  const start = performance.now()
  const latenciesMs =
    job.drive.kind === 'closed'
      ? await postClosed(connections, requests)
      : await postPaced(connections, requests, job.drive.perSecond, new URL(job.url))
  const seconds = (performance.now() - start) / 1000
  const result: LoadResult = { requests: requests.length, events: job.corpus.count, seconds, latenciesMs }
  tell({ kind: 'done', result })
}

/** Signed as Standard Webhooks 1.0.0 has it. */
function createRequests({ url, signingSecret, corpus, eventsPerRequest }: Job): Buffer[] {
  const target = new URL(url)
  const key = Buffer.from(signingSecret.slice('whsec_'.length), 'base64')
  const timestamp = Math.floor(Date.now() / 1000)
  const messages = createCorpus(corpus)
  const requests = []
  for (let first = 0; first < messages.length; first += eventsPerRequest) {
    const events = messages.slice(first, first + eventsPerRequest).map(webhookEvent)
    const body = Buffer.from(JSON.stringify(eventsPerRequest === 1 ? events[0] : { events }))
    const id = `${corpus.name}-${first}`
    const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${mac}`,
    }
    requests.push(httpRequest('POST', target, headers, body))
  }
  return requests
}

async function post(connection: HttpConnection, request: Buffer): Promise<number> {
  const sent = performance.now()
  const { status, body } = await connection.send(request)
  const ms = performance.now() - sent
  if (status !== 202) throw new Error(`answered ${status}: ${body.slice(0, 500)}`)
  return ms
}

/** Each connection sends its next request as soon as its last one is answered. */
async function postClosed(connections: HttpConnection[], requests: Buffer[]): Promise<number[]> {
  const latenciesMs: number[] = []
  let next = 0
  await Promise.all(
    connections.map(async connection => {
      for (let request = requests[next++]; request; request = requests[next++]) {
        latenciesMs.push(await post(connection, request))
      }
    }),
  )
  return latenciesMs
}

/** Sends at even intervals and never waits for an answer: a slow one delays no request behind it. */
async function postPaced(idle: HttpConnection[], requests: Buffer[], perSecond: number, url: URL): Promise<number[]> {
  const start = performance.now()
  const running: Promise<number>[] = []
  const sendOne = async (request: Buffer): Promise<number> => {
    const connection = idle.pop() ?? (await HttpConnection.open(url))
    const ms = await post(connection, request)
    idle.push(connection)
    return ms
  }
  while (running.length < requests.length) {
    const due = Math.min(requests.length, Math.floor(((performance.now() - start) * perSecond) / 1000) + 1)
    while (running.length < due) {
      const answered = sendOne(requests[running.length]!)
      // Looked at in the end; until then a failure is nobody's.
      answered.catch(() => {})
      running.push(answered)
    }
    await delay(1)
  }
  return Promise.all(running)
}

// Its parent died: nobody waits for an answer.
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches the whole group; the parent ends this process.
process.on('SIGINT', () => {})
main().catch(error => tell({ kind: 'failed', reason: error.message }))
