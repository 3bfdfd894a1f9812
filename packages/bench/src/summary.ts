import { type ClockSelection, readClockSums } from '@parley/db'
import type { Cleanup } from './cleanup.ts'
import { compiledStatements } from './compiled-statements.ts'
import { CLOCKS_OF_MESSAGE, fillCountedYear } from './counted-year.ts'
import { HttpConnection, httpRequest } from './http-client.ts'
import { inTurns } from './in-turns.ts'
import type { Recorder } from './recorder.ts'
import { median } from './report.ts'
import { createDatabase, type Servers, startServices, withClient } from './servers.ts'
import { keepClient } from './workspace-client.ts'

const MESSAGES = 5_000_000
const ROUNDS = 15
const YEAR_MS = 365 * 86_400_000
const QUARTER_MS = 900_000
/** As the API has it for a summary. */
const SETTINGS = "set local enable_seqscan = off; set local jit = off; set local work_mem = '32MB'"
const MAX_SUMS = 90_000

/** What leads open: a year's summary, and the last four weeks by day and team. */
export async function prepareSummary(
  cleanup: Cleanup,
  servers: Servers,
  say: (line: string) => void,
  messages = MESSAGES,
) {
  const to = new Date(Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS)
  const year = { from: new Date(to.getTime() - YEAR_MS), to }
  const database = await createDatabase(servers, 'parley_summary')
  await withClient(database.databaseUrl, client => fillCountedYear(client, database, messages, year, say))
  const deployment = await startServices(cleanup, servers, database, ['api'])
  const client = await keepClient(cleanup, deployment)
  const ask = async (query: string) => {
    const url = new URL(`/v1/sla/summary?${query}`, deployment.apiUrl)
    const connection = await HttpConnection.open(url)
    const answer = await connection.send(httpRequest('GET', url, { authorization: `Bearer ${deployment.apiKey}` }))
    connection.close()
    if (answer.status !== 200) throw new Error(`answered with ${answer.status}: ${answer.body}`)
    return JSON.parse(answer.body)
  }
  const recently = new Date(to.getTime() - 28 * 86_400_000)
  const period = `from=${year.from.toISOString()}&to=${year.to.toISOString()}`
  const whole: ClockSelection = {
    ...{ ...year, cohort: 'started', metrics: null, time_zone: 'UTC', interval: 'none' },
    ...{ dimensions: [], filters: {}, inbox_ids: null },
  }
  const sums = await compiledStatements(trx => readClockSums(trx, whole, MAX_SUMS))
  const contenders = {
    summary: () => ask(period),
    sql: () => client.run(sums, SETTINGS),
    yearByTeam: () => ask(`${period}&group_by=team_id`),
    byTeam: () => ask(`from=${recently.toISOString()}&to=${to.toISOString()}&interval=day&group_by=team_id`),
  }
  check(await contenders.summary(), messages)
  await inTurns(contenders, 1)

  return async (_run: number, record: Recorder): Promise<void> => {
    const took = await inTurns(contenders, ROUNDS)
    record.figure(`summary: p50 of GET /v1/sla/summary of a year, ${messages} messages`, 'ms', median(took.summary))
    record.figure('reference: p50 of the query of its sums in a transaction', 'ms', median(took.sql))
    record.figure('summary: p50 of the year by team', 'ms', median(took.yearByTeam))
    record.figure('summary: p50 of four weeks by day and team', 'ms', median(took.byTeam))
    record.ratio('summary_p50_vs_sql', median(took.summary) / median(took.sql))
  }
}

type Summary = { rows: { met: number; breached: number; open: number; cancelled: number }[] }

/** Each clock that started in the year is in one number. */
function check({ rows }: Summary, messages: number): void {
  const counted = rows.reduce((sum, { met, breached, open, cancelled }) => sum + met + breached + open + cancelled, 0)
  const made = messages * CLOCKS_OF_MESSAGE
  if (counted > made || counted < made * 0.99) throw new Error(`${counted} clocks are counted, and not nearly ${made}`)
}
