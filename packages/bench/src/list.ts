import { listConversations } from '@parley/db'
import type pg from 'pg'
import type { Cleanup } from './cleanup.ts'
import { compiledStatements, type Statement } from './compiled-statements.ts'
import { HttpConnection, httpRequest } from './http-client.ts'
import type { Recorder } from './recorder.ts'
import { median } from './report.ts'
import { connectChannel, type Deployment, deploy, type Servers, withClient } from './servers.ts'

const CONVERSATIONS = 10_000
/** A page as clients get it who ask for nothing else. */
const LIMIT = 50
const ROUNDS = 1_000
const WARM_UP_ROUNDS = 500

/** How much the API adds to reading a page of the inbox: credential, transaction, validation and JSON over HTTP. */
export async function prepareList(cleanup: Cleanup, servers: Servers) {
  const deployment = await deploy(cleanup, servers, 'parley_list', ['api'])
  const channel = await connectChannel(deployment, 'list')
  await withClient(deployment.databaseUrl, client => fill(client, deployment, channel.id))
  await measureRounds(deployment, WARM_UP_ROUNDS)

  return async (_run: number, record: Recorder): Promise<void> => {
    const { http, sql, roundTrip } = await measureRounds(deployment, ROUNDS)
    record.figure('list: p50 of GET /v1/conversations', 'ms', median(http))
    record.figure('reference: p50 of its SQL in a transaction', 'ms', median(sql))
    record.figure('reference: p50 of SELECT 1', 'ms', median(roundTrip))
    record.ratio('list_p50_vs_sql', median(http) / median(sql))
    record.ratio('list_p50_vs_roundtrip', median(http) / median(roundTrip))
  }
}

/** One of each in turn, so that all three meet the same seconds of this machine. */
async function measureRounds(deployment: Deployment, rounds: number) {
  const url = new URL('/v1/conversations', deployment.apiUrl)
  const request = httpRequest('GET', url, { authorization: `Bearer ${deployment.apiKey}` })
  const connection = await HttpConnection.open(url)
  const page = await compilePage()
  const begin = `begin; set local role parley_app; set local parley.workspace_id = '${deployment.workspace_id}'`
  const measured = { http: [] as number[], sql: [] as number[], roundTrip: [] as number[] }
  await withClient(deployment.databaseUrl, async client => {
    for (let round = 0; round < rounds; round += 1) {
      const start = performance.now()
      const answer = await connection.send(request)
      const answered = performance.now()
      await client.query(begin)
      const { rows } = await client.query(page.text, page.values)
      await client.query('commit')
      const committed = performance.now()
      await client.query('select 1')
      measured.roundTrip.push(performance.now() - committed)
      measured.sql.push(committed - answered)
      measured.http.push(answered - start)
      if (round === 0) checkAnswer(answer, rows)
    }
  })
  connection.close()
  return measured
}

function checkAnswer(answer: { status: number; body: string }, rows: { id: string }[]): void {
  if (answer.status !== 200) throw new Error(`the list was answered with ${answer.status}: ${answer.body}`)
  const listed: { id: string }[] = JSON.parse(answer.body).data
  // The query asks for one row more, to know whether there is another page.
  const same = listed.length === LIMIT && rows.length === LIMIT + 1 && listed.every(({ id }, i) => id === rows[i]!.id)
  if (!same) throw new Error('the API and its SQL list different conversations')
}

async function compilePage(): Promise<Statement> {
  const statements = await compiledStatements(trx => listConversations(trx, {}, { sort: 'newest', limit: LIMIT + 1 }))
  if (statements.length !== 1) throw new Error('a page is no longer one statement')
  return statements[0]!
}

async function fill(client: pg.Client, { workspace_id, inbox_id }: Deployment, channel_id: string): Promise<void> {
  const age = `interval '1 second' * (${CONVERSATIONS} - n)`
  await client.query(
    `insert into contacts (workspace_id, id, name, created_at, updated_at)
     select $1, gen_random_uuid(), 'Zoë Müller ' || n, now(), now() from generate_series(1, ${CONVERSATIONS / 5}) n`,
    [workspace_id],
  )
  await client.query(
    `with people as (select id, row_number() over (order by id) as place from contacts where workspace_id = $1)
     insert into conversations (workspace_id, id, number, inbox_id, channel_id, contact_id, thread_key, subject, status,
       waiting_since, first_message_at, first_external_id, last_message_at, created_at, updated_at)
     select $1, gen_random_uuid(), n, $2, $3, p.id, 'thread-' || n, case when n % 3 = 0 then 'Spring collection ' || n end,
       case when n % 4 = 0 then 'resolved' else 'open' end, case when n % 2 = 1 then now() - ${age} end,
       now() - ${age}, 'first-' || n, now() - ${age}, now() - ${age}, now() - ${age}
     from generate_series(1, ${CONVERSATIONS}) n join people p on p.place = 1 + n % ${CONVERSATIONS / 5}`,
    [workspace_id, inbox_id, channel_id],
  )
  await client.query('vacuum analyze')
}
