import type pg from 'pg'

/** Where rows that the benchmark makes by itself belong. */
export type Place = { workspace_id: string; inbox_id: string; channel_id: string }

export type Plan = {
  count: number
  /** Of the first message and of the one after the last; in between they come at even intervals. */
  from: Date
  until: Date
}

/** As many messages of one author as a corpus of ingest has. */
const MESSAGES_PER_AUTHOR = 10
const MIN_AUTHORS = 2_000

/**
 * Plans messages like those of the corpus, but by the server itself, as millions of them: three of ten begin a thread,
 * the others answer in one of the last hundred, seven of ten answers from whoever asked. The plan is a table of this
 * connection, with numbers from 0 on: planned (n, at, opens, thread, author, stamp, tail, conversation_id, contact_id).
 * @returns how many threads and authors there are
 */
export async function planMessages(client: pg.Client, { count, from, until }: Plan) {
  const threads = Math.floor(count / 10) * 3 + [0, 1, 1, 1, 2, 2, 2, 3, 3, 3][count % 10]!
  const authors = Math.max(MIN_AUTHORS, Math.floor(count / MESSAGES_PER_AUTHOR))
  const stepMs = (until.getTime() - from.getTime()) / count
  const ms = (n: string) => `(${from.getTime()} + floor(${n} * ${stepMs}::float8)::bigint)`
  await client.query('drop table if exists pg_temp.planned')
  await client.query('select setseed(0.5)')
  // Of each ten messages the first, the fourth and the seventh begin a thread.
  await client.query(`
    create temp table planned as
    with opening as (
      select n, n % 10 in (0, 3, 6) as opens, n / 10 * 3 + least(n % 10 / 3, 2) as newest
      from generate_series(0::bigint, ${count} - 1) n),
    threaded as (
      select n, opens, newest - case when opens then 0 else floor(random() * least(100, newest + 1))::bigint end as thread
      from opening),
    written as (
      select n, opens, thread, ${ms('n')} as ms, ${ms('(thread / 3 * 10 + thread % 3 * 3)')} as thread_ms,
        case when opens or random() < 0.7 then (hashint8(thread) & 2147483647) % ${authors}
          else floor(random() * ${authors})::bigint end as author
      from threaded)
    select n, to_timestamp(ms / 1000.0)::timestamptz(3) as at, opens, thread, author, ${stampOf('ms')} as stamp,
      ${tailOf('n')} as tail, ${idOf(KIND.conversation, stampOf('thread_ms'), tailOf('thread'))} as conversation_id,
      ${contactId(from)} as contact_id
    from written`)
  await client.query('analyze pg_temp.planned')
  return { threads, authors }
}

/** Part of each made id, so that no two rows have the same. */
const KIND = { contact: 1, identity: 2, conversation: 3, message: 4, wait: 5, received: 6, created: 7, inbound: 8 }

const stampOf = (ms: string) => `lpad(to_hex(${ms}), 12, '0')`
const tailOf = (n: string) => `lpad(to_hex(${n}), 15, '0')`
const idOf = (kind: number, stamp: string, tail: string) => `(${stamp} || '700${kind}8' || ${tail})::uuid`

/** A UUIDv7 of a planned message's time, as SQL over planned p. */
export const idAt = (kind: keyof typeof KIND) => idOf(KIND[kind], 'p.stamp', 'p.tail')

/** The ids of an author's contact and identity, as SQL over a column author. Contacts are as old as the first message. */
export const contactId = (from: Date) => idOf(KIND.contact, stampOf(`${from.getTime()}::bigint`), tailOf('author'))
export const identityId = (from: Date) => idOf(KIND.identity, stampOf(`${from.getTime()}::bigint`), tailOf('author'))
