import {
  CONVERSATION_STATUSES,
  type ConversationPriority,
  type ConversationSort,
  type ConversationStatus,
} from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type Conversation, type ConversationWithContact, nestContact } from './conversations.ts'

/** Which conversations a list has. What is absent is not looked at; of a list any one will do, of tags and attributes all. */
export type ConversationFilter = {
  status?: ConversationStatus[] | undefined
  inbox_ids?: string[] | undefined
  channel_id?: string | undefined
  contact_id?: string | undefined
  post_id?: string | undefined
  /** null: nobody owns it. */
  assignee_id?: string | null | undefined
  /** null: it is no team's. */
  team_id?: string | null | undefined
  priority?: ConversationPriority[] | undefined
  tag_ids?: string[] | undefined
  /** By their values as `conversation_attributes` has them. */
  attributes?: { key: string; value_key: string }[] | undefined
  /** Somebody waits in it. */
  waiting?: boolean | undefined
  /** By its earliest promise, as things stand at `now`: broken, about to be within `risk_ms`, or neither. */
  sla?: { state: 'breached' | 'at_risk' | 'ok'; now: Date; risk_ms: number } | undefined
  /** Something was said that this person has not read. */
  unread_by?: string | undefined
  updated_after?: Date | undefined
  /** This person watches it. */
  watched_by?: string | undefined
  /** A note in it mentions this person. */
  mentioned?: string | undefined
  /** With all that is told more precisely: pt has pt-BR, too. null: nobody knows. */
  language?: string | null | undefined
}

/** What the last row of the page before is sorted by; `due_at` and `waiting_since` null where there is none. */
export type ConversationPosition = { at: Date | null; since?: Date | null | undefined; id: string }

const NEVER = sql`'infinity'::timestamptz`
/** To the letter as the index by urgency has them. */
const DUE = sql`case when c.next_due_at is null then 'infinity' else c.next_due_at end`
const WAITING = sql`case when c.waiting_since is null then 'infinity' else c.waiting_since end`

/** For each sort the columns of the index that serves it. */
const SORTS: Record<ConversationSort, { columns: RawBuilder<unknown>[]; descending: boolean }> = {
  newest: { columns: [sql`c.last_message_at`], descending: true },
  oldest: { columns: [sql`c.last_message_at`], descending: false },
  waiting: { columns: [sql`c.waiting_since`], descending: false },
  urgency: { columns: [DUE, WAITING], descending: false },
}

/** Where a conversation stands in a list of that sort. */
export function conversationPosition(row: Conversation, sort: ConversationSort): ConversationPosition {
  const { id, last_message_at, next_due_at, waiting_since } = row
  if (sort === 'urgency') return { at: next_due_at, since: waiting_since, id }
  return { at: sort === 'waiting' ? waiting_since : last_message_at, id }
}

/**
 * One page of conversations, `limit` rows past `after`. It is put together from one probe of an index for each inbox and
 * status, so that the hundredth page costs what the first does, however many conversations are in other inboxes.
 */
export async function listConversations(
  trx: Trx,
  filter: ConversationFilter,
  page: { sort: ConversationSort; limit: number; after?: ConversationPosition | undefined },
): Promise<ConversationWithContact[]> {
  const { columns, descending } = SORTS[page.sort]
  const keys = [...columns, sql`c.id`]
  const direction = descending ? sql`desc` : sql`asc`
  const order = sql.join(keys.map(key => sql`${key} ${direction}`))
  const conditions = [...conditionsOf(filter, page.sort), ...afterOf(page, keys, descending)]
  const { rows } = await sql<Conversation & { person_id: string | null; person_name: string | null }>`
    select c.*, coalesce(person.id, contacts.id) as person_id, coalesce(person.name, contacts.name) as person_name
    from (select c.* ${probesOf(filter, page.sort, conditions, order, page.limit)} order by ${order} limit ${page.limit}) c
    left join contacts on contacts.workspace_id = c.workspace_id and contacts.id = c.contact_id
    left join contacts person on person.workspace_id = contacts.workspace_id and person.id = contacts.merged_into
    order by ${order}`.execute(trx)
  return rows.map(nestContact)
}

/** The first `limit` of every probe: the page is among them. */
function probesOf(
  { status, inbox_ids, assignee_id, post_id, watched_by, mentioned }: ConversationFilter,
  sort: ConversationSort,
  conditions: RawBuilder<unknown>[],
  order: RawBuilder<unknown>,
  limit: number,
): RawBuilder<unknown> {
  const probe = (equal: RawBuilder<unknown>[]) => {
    const where = [...equal, ...conditions]
    const clause = where.length > 0 ? sql`where ${sql.join(where, sql` and `)}` : sql``
    return sql`(select c.* from conversations c ${clause} order by ${order} limit ${limit}) c`
  }
  const of = inbox_ids ? sql`c.inbox_id = any(${inbox_ids}::uuid[])` : undefined
  if (watched_by || mentioned) {
    // From the few that are this person's own, and not from all that there are.
    const is = status ? [sql`c.status = any(${status}::text[])`] : []
    return sql`from ${probe([...is, ...(of ? [of] : [])])}`
  }
  const byTime = sort === 'newest' || sort === 'oldest'
  // A whole workspace by time, and what one person owns, have an index of their own.
  if (byTime && !status && !inbox_ids && !assignee_id && !post_id) return sql`from ${probe([])}`
  const statuses = sql`unnest(${status ?? CONVERSATION_STATUSES}::text[]) as s (status)`
  // So does a post, which may have more conversations than anything else.
  if (assignee_id || post_id) {
    const theirs = [sql`c.status = s.status`, ...(of ? [of] : [])]
    return sql`from ${statuses} cross join lateral ${probe(theirs)}`
  }
  const inboxes = inbox_ids ? sql`unnest(${inbox_ids}::uuid[]) as i (id)` : sql`inboxes i`
  return sql`from ${inboxes} cross join ${statuses}
    cross join lateral ${probe([sql`c.inbox_id = i.id`, sql`c.status = s.status`])}`
}

function afterOf(
  { sort, after }: { sort: ConversationSort; after?: ConversationPosition | undefined },
  keys: RawBuilder<unknown>[],
  descending: boolean,
): RawBuilder<unknown>[] {
  if (!after) return []
  const instant = (at: Date | null | undefined) => (at ? sql`${at}::timestamptz` : NEVER)
  const place = [instant(after.at), ...(sort === 'urgency' ? [instant(after.since)] : []), sql`${after.id}::uuid`]
  // One row comparison, so that an index on these columns serves every page.
  return [sql`(${sql.join(keys)}) ${descending ? sql`<` : sql`>`} (${sql.join(place)})`]
}

/** All but inbox and status, which the probes are made of. */
export function conditionsOf(filter: ConversationFilter, sort?: ConversationSort): RawBuilder<unknown>[] {
  const { channel_id, contact_id, post_id, assignee_id, team_id, priority, tag_ids, sla, unread_by, updated_after } =
    filter
  const conditions: RawBuilder<unknown>[] = [sql`c.status <> 'merged'`]
  if (channel_id) conditions.push(sql`c.channel_id = ${channel_id}`)
  if (contact_id) conditions.push(sql`c.contact_id = ${contact_id}`)
  if (post_id) conditions.push(sql`c.post_id = ${post_id}`)
  if (assignee_id !== undefined) conditions.push(isOrNull(sql`c.assignee_id`, assignee_id))
  if (team_id !== undefined) conditions.push(isOrNull(sql`c.team_id`, team_id))
  if (priority) conditions.push(sql`c.priority = any(${priority}::text[])`)
  if (filter.waiting || sort === 'waiting') {
    // In the words of the index by urgency, which otherwise is walked through for whoever waits behind all who do not.
    conditions.push(sort === 'urgency' ? sql`${WAITING} < ${NEVER}` : sql`c.waiting_since is not null`)
  }
  if (filter.language !== undefined) conditions.push(languageCondition(filter.language))
  if (updated_after) conditions.push(sql`c.updated_at > ${updated_after}`)
  for (const tag_id of tag_ids ?? []) {
    conditions.push(
      sql`exists (select from conversation_tags t where t.conversation_id = c.id and t.tag_id = ${tag_id})`,
    )
  }
  for (const { key, value_key } of filter.attributes ?? []) {
    conditions.push(sql`exists (select from conversation_attributes a
      where a.conversation_id = c.id and a.key = ${key} and a.value_key = ${value_key})`)
  }
  if (unread_by) {
    conditions.push(sql`not exists (select from conversation_reads r
      where r.user_id = ${unread_by} and r.conversation_id = c.id and r.read_at >= c.last_message_at)`)
  }
  if (filter.watched_by) {
    conditions.push(sql`c.id in (select w.conversation_id from conversation_watchers w
      where w.user_id = ${filter.watched_by})`)
  }
  if (filter.mentioned) {
    conditions.push(sql`c.id in (select n.conversation_id from note_mentions n where n.user_id = ${filter.mentioned})`)
  }
  if (sla) conditions.push(slaCondition(sla))
  return conditions
}

const isOrNull = (column: RawBuilder<unknown>, value: string | null) =>
  value === null ? sql`${column} is null` : sql`${column} = ${value}`

/** In the words of the index by language. */
function languageCondition(language: string | null): RawBuilder<unknown> {
  if (language === null) return sql`c.language is null`
  const written = sql`c.language collate "C"`
  return sql`(${written} = ${language} or starts_with(${written}, ${`${language}-`}))`
}

/** In the words of the index by urgency. */
function slaCondition({ state, now, risk_ms }: NonNullable<ConversationFilter['sla']>): RawBuilder<unknown> {
  const soon = new Date(now.getTime() + risk_ms)
  switch (state) {
    case 'breached':
      return sql`${DUE} < ${now}`
    case 'at_risk':
      return sql`${DUE} >= ${now} and ${DUE} < ${soon}`
    case 'ok':
      return sql`${DUE} >= ${soon}`
    default:
      return state satisfies never
  }
}
