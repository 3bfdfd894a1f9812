import { TEST_SECRET_KEY } from '@parley/testing'
import type { Test } from 'tap'
import { type Answer, BEARER_SECRET, SIGNING_SECRET, type TestApi } from './helper.ts'

/** What must show neither in an answer nor in the log, whatever was sent. */
const CANARIES = [
  TEST_SECRET_KEY.toString('base64'),
  TEST_SECRET_KEY.toString('hex'),
  BEARER_SECRET,
  SIGNING_SECRET,
  // SQLSTATEs of what Postgres says about bad data, and its words.
  /\b(22[0P]\d\d|23[05]\d\d|42[0-9P]\d\d|54\d{3})\b(?!-)/,
  /\b(insert into|select \*|syntax error|violates|pg_\w+)\b/i,
  // Stacks, paths, and what we are built with.
  /(\n|\\n)\s+at |\.[jt]s:\d+|node_modules|\/work\/|\/home\//,
  /\b(fastify|FST_ERR|zod|kysely|postgres)\b/i,
]

/** What a problem tells; `instance` differs from call to call. */
export const withoutInstance = (answer: Answer) => answer.text.replace(/"instance":"[^"]*"/, '')

/** The first canary in a text. */
const canaryIn = (text: string) =>
  CANARIES.find(canary => (typeof canary === 'string' ? text.includes(canary) : canary.test(text)))

/** The answer is a problem of that status and type, and gives nothing away. */
export function isProblem(t: Test, answer: Answer, status: number, type: string | RegExp, what: string): void {
  const { body, headers, text } = answer
  const slug = String(body?.type).replace('urn:parley:problem:', '')
  // One assertion for each answer: the tests give thousands of them.
  const seen = {
    status: answer.status,
    type: typeof type !== 'string' && type.test(slug) ? type : slug,
    contentType: headers['content-type'],
    cacheControl: headers['cache-control'],
    nosniff: headers['x-content-type-options'],
    shape: typeof body?.title === 'string' && body.status === status && /^[0-9a-f-]{36}$/.test(body.instance),
    canary: canaryIn(`${JSON.stringify(headers)}\n${text}`),
    small: text.length < 10_000,
  }
  const expected = {
    status,
    type,
    contentType: 'application/problem+json',
    cacheControl: 'no-store',
    nosniff: 'nosniff',
    shape: true,
    canary: undefined,
    small: true,
  }
  t.strictSame(seen, expected, `${what}: ${answer.status} ${text.slice(0, 300)}`)
}

/** Runs `work`, all of which is refused: no row changes, and the log holds no canary and no failure. */
export async function changesNothing(t: Test, api: TestApi, work: () => Promise<void>): Promise<void> {
  await markUsed(api)
  const before = await contents(api)
  const line = api.log.length
  await work()
  t.same(await contents(api), before, 'no row was added, changed or removed')
  const lines = api.log.slice(line)
  t.equal(canaryIn(lines.join('\n')), undefined, 'the log gives nothing away')
  t.same(
    lines.filter(text => JSON.parse(text).level >= 40),
    [],
    'nothing failed',
  )
}

/** When a key was used is written down by the minute, also while refusals are tried: it says already what would be written. */
async function markUsed(api: TestApi): Promise<void> {
  const now = `'${api.clock.now.toISOString()}'`
  await api.query(`update api_keys set last_used_at = ${now}`)
  await api.query(`update sessions set last_seen_at = ${now}`)
}

/** A digest of each table's rows, of all workspaces; that somebody failed is counted, and is no change. */
export async function contents(api: TestApi): Promise<Record<string, string>> {
  const tables = await api.query(
    "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'login_attempts'",
  )
  const digests = await api.query(
    tables
      .map(
        ({ relname }) =>
          `select '${relname}' as name, count(*) || coalesce(md5(string_agg(r::text, '' order by r::text)), '') as digest from ${relname} r`,
      )
      .join(' union all '),
  )
  return Object.fromEntries(digests.map(({ name, digest }) => [name, digest]))
}

/** All rows of all tables as text, to look for what must not be stored. */
export async function dump(api: TestApi): Promise<string> {
  const tables = await api.query(
    "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  )
  const rows = await Promise.all(tables.map(({ relname }) => api.query(`select r::text as row from ${relname} r`)))
  return rows
    .flat()
    .map(({ row }) => row)
    .join('\n')
}
