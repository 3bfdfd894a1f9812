import { randomUUID } from 'node:crypto'
import { generateApiKey, hashToken } from '@parley/db'
import pg from 'pg'
import type { Cleanup } from './cleanup.ts'
import { createFilledInbox } from './filled-inbox.ts'
import { HttpConnection, httpRequest } from './http-client.ts'
import { openIn } from './inbox-generator.ts'
import type { Recorder } from './recorder.ts'
import { median, percentile } from './report.ts'
import { type Deployment, type Servers, startServices, withClient } from './servers.ts'

const CONVERSATIONS = 1_000_000
const AGENTS = 50
/** How often each agent asks, and then each connection to the database, before it is the others' turn again. */
const TURNS = 5
const SLICES = 7
const WARM_UP_SLICES = 4

type Taken = (id: string) => void

/** Fifty agents at once, each with a key and a connection of their own, who ask for the next conversation all the time. */
export async function prepareNext(
  cleanup: Cleanup,
  servers: Servers,
  say: (line: string) => void,
  conversations = CONVERSATIONS,
) {
  const database = await createFilledInbox(cleanup, servers, 'parley_next', conversations, say)
  const deployment = await startServices(cleanup, servers, database, ['api'])
  const taken = new Set<string>()
  const take: Taken = id => {
    if (taken.has(id)) throw new Error(`${id} was given twice`)
    taken.add(id)
  }
  // What waits in an inbox that is made for a trial may be less than all slices take.
  const waiting = openIn(conversations)
  const turns = Math.min(TURNS, Math.floor(waiting / AGENTS))
  const { asks: agents, reopen } = await openAgents(cleanup, deployment, take)
  const roundTrips = await openRoundTrips(cleanup, deployment)
  // Back into the queue, so that a run finds as many as the one before.
  const giveBack = async () => {
    taken.clear()
    await withClient(deployment.databaseUrl, async client => {
      await client.query(
        'update conversations set assignee_id = null, claim_expires_at = null where assignee_id is not null',
      )
      await client.query('vacuum analyze conversations')
    })
    // That takes so long that the API has closed what said nothing meanwhile.
    await reopen()
  }
  const beforeSlice = async () => {
    if (waiting - taken.size < AGENTS * turns) await giveBack()
  }
  const measure = (slices: number) => inSlices({ agents, roundTrips }, { slices, turns, beforeSlice })
  await measure(WARM_UP_SLICES)

  return async (_run: number, record: Recorder): Promise<void> => {
    await giveBack()
    const took = await measure(SLICES)
    const p99 = { next: percentile(took.agents, 0.99), roundTrip: percentile(took.roundTrips, 0.99) }
    record.figure(`next: p50 of POST /v1/inboxes/{id}/next, ${AGENTS} agents`, 'ms', median(took.agents))
    record.figure('next: p99 of it', 'ms', p99.next)
    record.figure(`reference: p50 of SELECT 1, ${AGENTS} connections`, 'ms', median(took.roundTrips))
    record.figure('reference: p99 of it', 'ms', p99.roundTrip)
    record.ratio('next_p99_vs_roundtrip', p99.next / p99.roundTrip)
  }
}

/** What asks for the next conversation, once per agent. */
async function openAgents(cleanup: Cleanup, { apiUrl, databaseUrl, workspace_id, inbox_id }: Deployment, take: Taken) {
  const people = Array.from({ length: AGENTS }, () => ({ id: randomUUID(), key: generateApiKey() }))
  await withClient(databaseUrl, async client => {
    for (const { id, key } of people) {
      await client.query(
        "insert into users (workspace_id, id, name, role, created_at) values ($1, $2, 'Agent', 'agent', now())",
        [workspace_id, id],
      )
      await client.query(
        `insert into api_keys (workspace_id, id, name, role, user_id, key_hash, key_hint, created_at)
         values ($1, $2, 'Agent', 'agent', $2, $3, '…', now())`,
        [workspace_id, id, hashToken(key)],
      )
    }
  })
  const reopen: (() => Promise<void>)[] = []
  const open = async ({ key }: { key: string }) => {
    const request = httpRequest('POST', new URL(`/v1/inboxes/${inbox_id}/next`, apiUrl), {
      authorization: `Bearer ${key}`,
    })
    let connection = await HttpConnection.open(apiUrl)
    cleanup.defer(async () => connection.close())
    reopen.push(async () => {
      connection.close()
      connection = await HttpConnection.open(apiUrl)
    })
    return async () => {
      const { status, body } = await connection.send(request)
      if (status !== 200) throw new Error(`answered with ${status}: ${body}`)
      return () => take(JSON.parse(body).id)
    }
  }
  const asks = await Promise.all(people.map(open))
  return { asks, reopen: () => Promise.all(reopen.map(again => again())) }
}

async function openRoundTrips(cleanup: Cleanup, { databaseUrl }: Deployment) {
  const open = async () => {
    const client = new pg.Client({ connectionString: databaseUrl })
    client.on('error', () => {})
    await client.connect()
    cleanup.defer(() => client.end().catch(() => {}))
    return async () => {
      await client.query('select 1')
      return () => {}
    }
  }
  return Promise.all(Array.from({ length: AGENTS }, open))
}

type Ask = () => Promise<() => void>

/** Some of one and some of the other in turn, all fifty at once, so that both meet the same seconds of this machine. */
async function inSlices<K extends string>(
  contenders: Record<K, Ask[]>,
  { slices, turns, beforeSlice }: { slices: number; turns: number; beforeSlice: () => Promise<void> },
): Promise<Record<K, number[]>> {
  const names = Object.keys(contenders) as K[]
  const took = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<K, number[]>
  for (let slice = 0; slice < slices; slice += 1) {
    await beforeSlice()
    for (const name of names) {
      const again = async (ask: Ask) => {
        for (let turn = 0; turn < turns; turn += 1) {
          const start = performance.now()
          const check = await ask()
          took[name].push(performance.now() - start)
          check()
        }
      }
      await Promise.all(contenders[name].map(again))
    }
  }
  return took
}
