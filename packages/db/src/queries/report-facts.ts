import type { AuthorType, Dismissal, Disposition } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { DB, ReportFacts, ReportSums } from '../tables.generated.ts'

/** One thing that reports count. */
export type ReportFact = Omit<Selectable<ReportFacts>, 'workspace_id' | 'build'>
export type ReportFactKey = Pick<ReportFact, 'kind' | 'id'>
/** What is to be added to a sum; taken from it where it is negative. */
export type ReportSum = Omit<Insertable<ReportSums>, 'workspace_id' | 'build'>

/** Of what reports count as it stands now: who said what, and what became of it. */
export type ReportableMessage = {
  id: string
  direction: 'inbound' | 'outbound'
  occurred_at: Date
  received_at: Date
  processed_at: Date
  conversation_id: string
  channel_id: string
  inbox_id: string
  post_id: string | null
  tag_ids: string[]
  disposition: Disposition | null
  dismissed_as: Dismissal | null
  dismissed_reason: string | null
  deleted_at: Date | null
  automatic: boolean
  answered_by_id: string | null
  answered_at: Date | null
  /** Since when its writer waited, where it was the first of what that answer answered of them; null of all others. */
  waited_since: Date | null
  /** Who was given the credit for that answer. */
  answer_team_id: string | null
  answer_user_id: string | null
  author_type: AuthorType
  author_id: string | null
  /** What a reply says; null of what customers say, and of what was erased. */
  body: string | null
}

/** What the reports of this workspace are counted in. */
export async function findReportBuild(trx: Trx): Promise<number | undefined> {
  const row = await trx.selectFrom('report_builds').select('build').executeTakeFirst()
  return row?.build
}

/** The same, begun where there is none. The caller holds the place of a consumer that counts. */
export async function getReportBuild(trx: Trx, now: Date): Promise<number> {
  const found = await findReportBuild(trx)
  if (found !== undefined) return found
  // Another consumer may begin it at the same time.
  await sql`insert into report_builds (build, begun_at) values (1, ${now}) on conflict (workspace_id) do nothing`.execute(
    trx,
  )
  return 1
}

/** Begins to count anew: what was counted before counts no more. The caller holds the places of all consumers that count. */
export async function beginReportBuild(trx: Trx, now: Date): Promise<void> {
  await sql`
    insert into report_builds as b (build, begun_at) values (1, ${now})
    on conflict (workspace_id) do update set build = b.build + 1, begun_at = excluded.begun_at`.execute(trx)
}

/**
 * What has to be looked at when something happened to these messages, in these conversations or to these contacts: they
 * themselves, and whatever is answered by what answers them, or was when it was looked at last.
 */
export async function listTouched(
  trx: Trx,
  build: number,
  { message_ids, conversation_ids, contact_ids }: Record<'message_ids' | 'conversation_ids' | 'contact_ids', string[]>,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with named as materialized (
      select unnest(${message_ids}::uuid[]) as id
      union select id from messages where conversation_id = any(${conversation_ids}::uuid[])
      union select id from messages where contact_id = any(${contact_ids}::uuid[])),
    answers as materialized (
      select id from named
      union select answered_by_id from messages
        where id = any(array(select id from named)) and answered_by_id is not null
      union select answer_id from report_facts
        where build = ${build} and kind = 'message' and id = any(array(select id from named)) and answer_id is not null)
    select id from named
    union select id from messages where answered_by_id = any(array(select id from answers))
    union select id from report_facts
      where build = ${build} and kind = 'message' and answer_id = any(array(select id from answers))`.execute(trx)
  return rows.map(({ id }) => id)
}

/**
 * Of these messages those that reports count: what customers say, and what was sent to them, each reply once however
 * many parts it has. Not history, nor what is not sent.
 */
export async function listReportable(
  trx: Trx,
  build: number,
  ids: string[],
  erased_mark: string,
): Promise<ReportableMessage[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<ReportableMessage>`
    select m.id, m.direction, m.occurred_at, m.received_at, m.processed_at, m.conversation_id, m.channel_id,
      v.inbox_id, v.post_id, m.disposition, m.dismissed_as, m.dismissed_reason, m.deleted_at, m.automatic,
      m.answered_by_id, m.answered_at, m.author_type, m.author_id,
      array(select t.tag_id from conversation_tags t
        where t.conversation_id = m.conversation_id order by t.tag_id)::text[] as tag_ids,
      case when m.answered_by_id is not null and not exists (
        select from messages o where o.answered_by_id = m.answered_by_id and o.contact_id = m.contact_id
          and not o.from_history and (o.occurred_at, o.id) < (m.occurred_at, m.id))
        then greatest(m.occurred_at, least(m.received_at, c.connected_at)) end as waited_since,
      r.team_id as answer_team_id, r.user_id as answer_user_id,
      case when m.direction = 'outbound' and ${erased_mark} <> all (m.body_marks) then m.body end as body
    from unnest(${ids}::uuid[]) as wanted (id),
      lateral (select * from messages where id = wanted.id and not from_history and (direction = 'inbound'
        or (direction = 'outbound' and state = 'sent' and (part_of is null or part_number = 1))) limit 1) m,
      lateral (select inbox_id, post_id from conversations where id = m.conversation_id limit 1) v,
      lateral (select connected_at from channels where id = m.channel_id limit 1) c
      left join lateral (select team_id, user_id from report_facts
        where build = ${build} and kind = 'reply' and id = m.answered_by_id limit 1) r on true`.execute(trx)
  return rows
}

/** Where something happened that reports count of a conversation. */
export type ReportPlace = Pick<ReportFact, 'inbox_id' | 'channel_id' | 'post_id' | 'tag_ids'> & { id: string }

export async function listReportPlaces(trx: Trx, conversation_ids: string[]): Promise<ReportPlace[]> {
  if (conversation_ids.length === 0) return []
  const { rows } = await sql<ReportPlace>`
    select id, inbox_id, channel_id, post_id, array(select t.tag_id from conversation_tags t
      where t.conversation_id = conversations.id order by t.tag_id)::text[] as tag_ids
    from conversations where id = any(${conversation_ids}::uuid[])`.execute(trx)
  return rows
}

/** How often a person answered a customer in each of these conversations: once for all that an answer answers of one. */
export async function countTurns(trx: Trx, conversation_ids: string[]): Promise<Map<string, number>> {
  if (conversation_ids.length === 0) return new Map()
  const { rows } = await sql<{ id: string; turns: number }>`
    select conversation_id as id, count(distinct (answered_by_id, contact_id))::int as turns from messages
    where conversation_id = any(${conversation_ids}::uuid[]) and answered_by_id is not null and not from_history
    group by conversation_id`.execute(trx)
  return new Map(rows.map(({ id, turns }) => [id, turns]))
}

/** What is counted of these things, of these kinds. */
export async function listFacts(trx: Trx, build: number, kinds: string[], ids: string[]): Promise<ReportFact[]> {
  return trx
    .selectFrom('report_facts')
    .selectAll()
    .where('build', '=', build)
    .where('kind', 'in', kinds)
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .execute()
}

export async function listChannelInboxes(trx: Trx, ids: string[]): Promise<Map<string, string>> {
  const rows = await trx.selectFrom('channels').select(['id', 'inbox_id']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, inbox_id }) => [id, inbox_id]))
}

/** What is counted of these conversations, but what was said in them. */
export async function listFactsOfConversations(trx: Trx, build: number, ids: string[]): Promise<ReportFact[]> {
  if (ids.length === 0) return []
  return (
    trx
      .selectFrom('report_facts')
      .selectAll()
      .where('build', '=', build)
      // To the letter that of the index.
      .where(sql<boolean>`kind in ('created', 'resolved', 'reopened')`)
      .where('conversation_id', '=', sql<string>`any(${ids}::uuid[])`)
      .execute()
  )
}

const COLUMNS = [
  ...['at', 'conversation_id', 'inbox_id', 'channel_id', 'post_id', 'team_id', 'user_id', 'tag_ids', 'outcome'],
  ...['reason', 'answer_id', 'answered_at', 'wait_ms', 'network_lag_ms', 'ingest_lag_ms', 'turns', 'fingerprint'],
]
const listed = (of?: string) => sql.join(COLUMNS.map(column => sql.ref(of ? `${of}.${column}` : column)))

export async function putFacts(trx: Trx, build: number, facts: ReportFact[]): Promise<void> {
  if (facts.length === 0) return
  await sql`
    insert into report_facts (build, kind, id, ${listed()})
    select ${build}::integer, kind, id, ${listed()} from ${rowsOf('report_facts', facts)} as told
    on conflict (workspace_id, build, kind, id) do update set (${listed()}) = row (${listed('excluded')})`.execute(trx)
}

export async function removeFacts(trx: Trx, build: number, keys: ReportFactKey[]): Promise<void> {
  if (keys.length === 0) return
  await sql`
    delete from report_facts f using unnest(${keys.map(({ kind }) => kind)}::text[], ${keys.map(({ id }) => id)}::uuid[])
      as gone (kind, id)
    where f.build = ${build} and f.kind = gone.kind and f.id = gone.id`.execute(trx)
}

/** Of each table of sums what tells them apart. */
const SUM_KEYS = {
  report_sums: [
    ...['measure', 'minutes', 'tagged', 'at', 'inbox_id', 'channel_id', 'post_id', 'team_id', 'user_id', 'tag_id'],
    ...['outcome', 'reason', 'bucket'],
  ],
  report_clock_sums: [
    ...[
      'cohort',
      'minutes',
      'apart_by',
      'tagged',
      'metric',
      'at',
      'inbox_id',
      'channel_id',
      'post_id',
      'team_id',
      'user_id',
    ],
    ...['tag_id', 'policy_id', 'priority', 'outcome', 'calendar_bucket', 'business_bucket'],
  ],
}
type SumTable = keyof typeof SUM_KEYS

/** Adds to the sums; those that nothing is left of go. */
export async function addToSums<T extends SumTable>(
  trx: Trx,
  table: T,
  build: number,
  sums: Partial<Insertable<DB[T]>>[],
): Promise<void> {
  if (sums.length === 0) return
  const keys = SUM_KEYS[table]
  const columns = Object.keys(sums[0]!)
  const list = (names: string[]) => sql.join(names.map(name => sql.ref(name)))
  const amounts = columns
    .filter(column => !keys.includes(column))
    .map(column => sql`${sql.ref(column)} = s.${sql.ref(column)} + excluded.${sql.ref(column)}`)
  await sql`
    insert into ${sql.table(table)} as s (build, ${list(columns)})
    select ${build}::integer, ${list(columns)} from ${rowsOf(table, sums)} as told
    on conflict (workspace_id, build, ${list(keys)}) do update set ${sql.join(amounts)}`.execute(trx)
  await sql`delete from ${sql.table(table)} where build = ${build} and count = 0`.execute(trx)
}

/** Clears away what former builds left, up to `limit` rows of each kind. Returns how many of the kind that has more. */
export async function deleteFormerBuilds(trx: Trx, limit: number): Promise<number> {
  const former = sql`build < (select build from report_builds)`
  const gone = await Promise.all(
    ['report_facts', 'report_sums', 'report_clocks', 'report_clock_sums'].map(table =>
      sql`delete from ${sql.table(table)} where ctid = any(array(
        select ctid from ${sql.table(table)} where ${former} limit ${limit}))`.execute(trx),
    ),
  )
  return Math.max(...gone.map(({ numAffectedRows }) => Number(numAffectedRows ?? 0)))
}
