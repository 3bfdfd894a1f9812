import { searchMessages } from '@parley/core'
import { findConversation, listConversations, listMessages } from '@parley/db'
import type { Cleanup } from './cleanup.ts'
import { compiledStatements, type Statement, sentStatements } from './compiled-statements.ts'
import { createFilledInbox } from './filled-inbox.ts'
import { HttpConnection, httpRequest } from './http-client.ts'
import { inTurns } from './in-turns.ts'
import { conversationIdAt, searchedWords } from './inbox-generator.ts'
import type { Recorder } from './recorder.ts'
import { median, percentile } from './report.ts'
import { type BenchDatabase, type Deployment, type Servers, startServices } from './servers.ts'

const SMALL = 10_000
const LARGE = 1_000_000
/** A page as clients get it who ask for nothing else. */
const LIMIT = 50
const ROUNDS = 1_000
const SEARCH_ROUNDS = 200
const WARM_UP_ROUNDS = 300
const OPENED = 4_000
/** How far down the deep page is, of a hundred rows each. */
const DEEP_PAGES = 1_000

/**
 * What an agent reads all day, at ten thousand conversations and at a million: the list, a conversation, a
 * deep page, and what they look for.
 */
export async function prepareInbox(
  cleanup: Cleanup,
  servers: Servers,
  say: (line: string) => void,
  conversations = LARGE,
) {
  // The large one takes minutes to fill, in which an API would close a connection that says nothing.
  const largeDatabase = await createFilledInbox(cleanup, servers, 'parley_inbox_large', conversations, say)
  const smallDatabase = await createFilledInbox(cleanup, servers, 'parley_inbox_small', SMALL, say)
  const large = await openInbox(cleanup, servers, largeDatabase, conversations)
  const small = await openInbox(cleanup, servers, smallDatabase, SMALL)
  const contenders = { smallList: small.list, list: large.list, listSql: large.listSql, open: large.open }
  const all = { ...contenders, openSql: large.openSql, deep: large.deep }
  await inTurns(all, WARM_UP_ROUNDS)
  for (const { contenders } of large.searches) await inTurns(contenders, SEARCH_ROUNDS / 4)

  return async (_run: number, record: Recorder): Promise<void> => {
    const took = await inTurns(all, ROUNDS)
    const p50 = (name: keyof typeof all) => median(took[name])
    record.figure(`inbox: p50 of GET /v1/conversations, ${conversations} there`, 'ms', p50('list'))
    record.figure('inbox: p99 of it', 'ms', percentile(took.list, 0.99))
    record.figure(`inbox: p99 of it, ${SMALL} there`, 'ms', percentile(took.smallList, 0.99))
    record.figure('reference: p50 of its SQL in a transaction', 'ms', p50('listSql'))
    record.figure("inbox: p50 of a conversation's messages", 'ms', p50('open'))
    record.figure('reference: p50 of their SQL in a transaction', 'ms', p50('openSql'))
    record.ratio('list_p50_vs_sql', p50('list') / p50('listSql'))
    record.ratio('open_p50_vs_sql', p50('open') / p50('openSql'))
    record.ratio('list_p99_growth', percentile(took.list, 0.99) / percentile(took.smallList, 0.99))
    record.ratio('deep_page_vs_first', p50('deep') / p50('list'))
    const ratios: number[] = []
    for (const { kind, contenders } of large.searches) {
      const searched = await inTurns(contenders, SEARCH_ROUNDS)
      const [page, sql] = [median(searched.page), median(searched.sql)]
      record.figure(`inbox: p50 of a search for a ${kind} word`, 'ms', page)
      record.figure(`reference: p50 of the SQL of it, a ${kind} word`, 'ms', sql)
      ratios.push(page / sql)
    }
    record.ratio('search_p50_vs_sql', Math.max(...ratios))
  }
}

/** An API on an inbox of that size, and what is timed of it. */
async function openInbox(cleanup: Cleanup, servers: Servers, database: BenchDatabase, count: number) {
  const deployment = await startServices(cleanup, servers, database, ['api'])
  const client = await keepClient(cleanup, deployment)
  const connection = await HttpConnection.open(deployment.apiUrl)
  cleanup.defer(async () => connection.close())
  const request = (path: string) =>
    httpRequest('GET', new URL(path, deployment.apiUrl), { authorization: `Bearer ${deployment.apiKey}` })
  const ask = async (bytes: Buffer) => {
    const answer = await connection.send(bytes)
    if (answer.status !== 200) throw new Error(`answered with ${answer.status}: ${answer.body}`)
    return answer.body
  }
  const list = request('/v1/conversations')
  const deep = request(`/v1/conversations?cursor=${await deepCursor(ask, request, count)}`)
  const page = await compiledStatements(trx => listConversations(trx, {}, { sort: 'newest', limit: LIMIT + 1 }))
  const read = (id: string) =>
    compiledStatements(async trx => {
      await findConversation(trx, id)
      await listMessages(trx, id, { limit: LIMIT + 1 })
    })
  // Another conversation each time, so that each is read for the first time; what asks for it is ready before the clock starts.
  const ids = Array.from({ length: OPENED }, (_, turn) => conversationIdAt(1 + ((turn * 7_919) % count)))
  const asked = ids.map(id => request(`/v1/conversations/${id}/messages`))
  const reads = await Promise.all(ids.map(read))
  let [opened, openedBySql] = [0, OPENED / 2]
  const searches = []
  for (const [kind, word] of Object.entries(searchedWords(count))) {
    const found = request(`/v1/search/messages?q=${word}`)
    const statements = await sentStatements(deployment, trx =>
      searchMessages(trx, word, { inbox_ids: null, user_id: null }, { sort: 'newest', limit: LIMIT }, new Date()),
    )
    if (JSON.parse(await ask(found)).data.length === 0)
      throw new Error(`nothing was found for the ${kind} word ${word}`)
    searches.push({ kind, contenders: { page: () => ask(found), sql: () => client.run(statements) } })
  }
  return {
    searches,
    list: () => ask(list),
    deep: () => ask(deep),
    listSql: () => client.run(page),
    open: () => ask(asked[opened++ % OPENED]!),
    openSql: () => client.run(reads[openedBySql++ % OPENED]!),
  }
}

async function keepClient(cleanup: Cleanup, { databaseUrl, workspace_id }: Deployment) {
  const begin = `begin; set local role parley_app; set local parley.workspace_id = '${workspace_id}'`
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => {})
  await client.connect()
  cleanup.defer(() => client.end().catch(() => {}))
  return {
    run: async (statements: Statement[]) => {
      await client.query(begin)
      for (const { text, values } of statements) await client.query(text, values)
      await client.query('commit')
    },
  }
}

/** Where the list goes on after many pages of a hundred. */
async function deepCursor(ask: (bytes: Buffer) => Promise<string>, request: (path: string) => Buffer, count: number) {
  const pages = Math.min(DEEP_PAGES, Math.floor(count / 100) - 2)
  // Cursors belong to their page size, so the way down is in the pages that are timed.
  let cursor = ''
  for (let page = 0; page < pages; page += 1) {
    const body = JSON.parse(await ask(request(`/v1/conversations${cursor ? `?cursor=${cursor}` : ''}`)))
    cursor = body.next_cursor
  }
  return cursor
}
