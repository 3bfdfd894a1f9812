import type { AuthorType, ConversationStatus, MessageDirection } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type ConversationFilter, conditionsOf as listConditions } from './conversation-list.ts'

export type SearchFilter = {
  /** As websearch_to_tsquery reads it; null: whatever was said. */
  text: string | null
  /** The inboxes that the caller may see; null: all of them. */
  inbox_ids: string[] | null
  kinds: ('message' | 'note' | 'subject')[]
  wanted_inbox_ids?: string[] | undefined
  channel_ids?: string[] | undefined
  /** Who wrote it. */
  contact_ids?: string[] | undefined
  statuses?: ConversationStatus[] | undefined
  /** Who owns the conversation; null among them: nobody. */
  assignee_ids?: (string | null)[] | undefined
  /** What else has to hold of the conversation, in the words of a list; its statuses and inboxes stand above. */
  listed?: ConversationFilter | undefined
  has_attachments?: boolean | undefined
  /** Not older than this. */
  since?: Date | undefined
  /** Each conversation once, at its newest document that matches and is not younger than this. */
  once_until?: Date | undefined
}

/** A place in the order of documents, which is newest first: everything older comes after it. */
export type SearchPlace = { at: Date; id: string }
export type SearchHit = { id: string; conversation_id: string; at: Date }

/**
 * Where a step looks for documents: along the newest ones; along those that some contacts wrote; or, by the index of
 * words, at those of some days that match, both ends included.
 */
export type SearchSource = 'newest' | 'by_contact' | { from_day: number; to_day: number }

/** What a step saw: how many documents, how many of them match the text, where it ended, and what passed the filters. */
export type SearchStep = { looked: number; matched: number; last: SearchPlace | null; hits: SearchHit[] }

/**
 * Looks at up to `most` documents past `after`, newest first, and gives the first `limit` that match the filter. What it
 * costs follows `most`, not how many there are.
 */
export async function searchStep(
  trx: Trx,
  filter: SearchFilter,
  source: SearchSource,
  page: { after: SearchPlace; most: number; limit: number },
): Promise<SearchStep> {
  const query = queryOf(filter)
  const { rows } = await sql<{ looked: number; matched: number; last: RawPlace | null; hits: RawHit[] }>`
    with looked as materialized (${documentsOf(filter, source, page, query)}),
    hits as (
      select l.id, l.conversation_id, l.at from looked l${conversationOf(filter)}
      where l.hit and ${sql.join(conditionsOf(filter, query), sql` and `)}
      order by l.at desc, l.id desc limit ${page.limit})
    select (select count(*)::int from looked) as looked, (select count(*)::int from looked where hit) as matched,
      (select json_build_object('at', at, 'id', id) from looked order by at, id limit 1) as last,
      (select coalesce(json_agg(h order by at desc, id desc), '[]') from hits h) as hits`.execute(trx)
  const { looked, matched, last, hits } = rows[0]!
  return { looked, matched, last: last && placed(last), hits: hits.map(placed) }
}

type RawPlace = { at: string; id: string }
type RawHit = RawPlace & { conversation_id: string }
const placed = <T extends RawPlace>(raw: T) => ({ ...raw, at: new Date(raw.at) })

const queryOf = ({ text }: SearchFilter) => sql`websearch_to_tsquery('parley_search', ${text})`

function documentsOf(
  { text, since, contact_ids = [] }: SearchFilter,
  source: SearchSource,
  { after, most }: { after: SearchPlace; most: number },
  query: RawBuilder<unknown>,
): RawBuilder<unknown> {
  if (typeof source === 'object') {
    const { from_day, to_day } = source
    return sql`
      select *, true as hit
      from search_matches(${query}, ${from_day}, ${to_day}, ${after.at}, ${after.id}::uuid, ${most})`
  }
  const columns = sql`d.id, d.kind, d.conversation_id, d.contact_id, d.at, d.has_attachments`
  const hit = text === null ? sql`true` : sql`d.terms @@ ${query}`
  const past = sql`(d.at, d.id) < (${after.at}::timestamptz, ${after.id}::uuid)${
    since ? sql` and d.at >= ${since}` : sql``
  }`
  const newestFirst = sql`order by d.at desc, d.id desc limit ${most}`
  if (source === 'newest') {
    return sql`select ${columns}, ${hit} as hit from search_documents d where ${past} ${newestFirst}`
  }
  return sql`
    select ${columns}, ${hit} as hit from unnest(${contact_ids}::uuid[]) as author (id),
      lateral (select * from search_documents d where d.contact_id = author.id and ${past} ${newestFirst}) d
    ${newestFirst}`
}

/** The conversation of a document, where a filter asks about it. */
function conversationOf(filter: SearchFilter): RawBuilder<unknown> {
  const { inbox_ids, wanted_inbox_ids, channel_ids, statuses, assignee_ids, listed = {} } = filter
  const asked = inbox_ids ?? wanted_inbox_ids ?? channel_ids ?? statuses ?? assignee_ids
  if (!asked && listConditions(listed).length === 0) return sql``
  return sql`, lateral (select * from conversations where id = l.conversation_id limit 1) c`
}

function conditionsOf(filter: SearchFilter, query: RawBuilder<unknown>): RawBuilder<unknown>[] {
  const { inbox_ids, wanted_inbox_ids, channel_ids, statuses, assignee_ids, listed = {}, since, once_until } = filter
  const conditions = [...ofDocument(filter, 'l'), ...listConditions(listed)]
  if (since) conditions.push(sql`l.at >= ${since}`)
  for (const ids of [inbox_ids, wanted_inbox_ids]) if (ids) conditions.push(sql`c.inbox_id = any(${ids}::uuid[])`)
  if (channel_ids) conditions.push(sql`c.channel_id = any(${channel_ids}::uuid[])`)
  if (statuses) conditions.push(sql`c.status = any(${statuses}::text[])`)
  if (assignee_ids) {
    const people = assignee_ids.filter(id => id !== null)
    const nobody = assignee_ids.includes(null) ? sql` or c.assignee_id is null` : sql``
    conditions.push(sql`(c.assignee_id = any(${people}::uuid[])${nobody})`)
  }
  if (once_until) {
    const matches = filter.text === null ? sql`` : sql` and n.terms @@ ${query}`
    conditions.push(sql`not exists (
      select from search_documents n
      where n.conversation_id = l.conversation_id and (n.at, n.id) > (l.at, l.id) and n.at <= ${once_until}
        and ${sql.join(ofDocument(filter, 'n'), sql` and `)}${matches})`)
  }
  return conditions
}

function ofDocument({ kinds, contact_ids, has_attachments }: SearchFilter, alias: 'l' | 'n'): RawBuilder<unknown>[] {
  const column = (name: string) => sql.ref(`${alias}.${name}`)
  const conditions = [sql`${column('kind')} = any(${kinds}::text[])`]
  if (contact_ids) conditions.push(sql`${column('contact_id')} = any(${contact_ids}::uuid[])`)
  if (has_attachments) conditions.push(sql`${column('has_attachments')}`)
  return conditions
}

/** When the oldest document is of; undefined when there is none. */
export async function findOldestDocumentAt(trx: Trx): Promise<Date | undefined> {
  const query = trx.selectFrom('search_documents').select('at').orderBy('at').orderBy('id').limit(1)
  return (await query.executeTakeFirst())?.at
}

/**
 * How well documents match, most relevant first: how often and how near each other the words stand, in a short text rather
 * than a long one, and how fresh it was at `as_of`; a month halves it. Whole numbers, the same at every call.
 */
export async function rankDocuments(
  trx: Trx,
  ids: string[],
  filter: SearchFilter,
  as_of: Date,
): Promise<{ id: string; score: number }[]> {
  const { rows } = await sql<{ id: string; score: number }>`
    select d.id, (1e6 * ts_rank_cd(d.terms, ${queryOf(filter)}, 1)
      / (1 + greatest(0, extract(epoch from ${as_of}::timestamptz - d.at)) / 2592000))::int as score
    from unnest(${ids}::uuid[]) as wanted (id),
      lateral (select * from search_documents where id = wanted.id limit 1) d
    order by score desc, d.id desc`.execute(trx)
  return rows
}

export type FoundMessage = {
  id: string
  direction: MessageDirection
  author_type: AuthorType
  contact: { id: string; name: string } | null
  occurred_at: Date
  has_attachments: boolean
  conversation: {
    id: string
    number: number
    subject: string | null
    status: ConversationStatus
    inbox_id: string
    channel_id: string
    assignee_id: string | null
  }
  /** A passage of the text in which each match stands between these two characters. */
  passage: string
}

/**
 * Control characters that stand for something in a passage, and which a text loses first: the begin and the end of a
 * match, and `<`, which PostgreSQL would take for the begin of an HTML tag and leave out.
 */
export const PASSAGE_MARKS = { begin: '\u0001', end: '\u0002', less: '\u0003' }

/** These messages as a result shows them, in the order given; those that are gone by now are left out. */
export async function listFoundMessages(trx: Trx, ids: string[], text: string | null): Promise<FoundMessage[]> {
  const { begin, end, less } = PASSAGE_MARKS
  const body = sql`translate(left(m.body, 40000), ${`<${begin}${end}${less}`}, ${less})`
  const options = `StartSel=${begin}, StopSel=${end}, MaxWords=40, MinWords=20`
  const passage =
    text === null
      ? sql`left(${body}, 200)`
      : sql`ts_headline('parley_search', ${body}, websearch_to_tsquery('parley_search', ${text}), ${options})`
  const { rows } = await sql<FoundMessage>`
    select m.id, m.direction, m.author_type, m.occurred_at, m.has_attachments, ${passage} as passage,
      (select json_build_object('id', k.id, 'name', k.name) from contacts k
        where k.id = m.contact_id and m.author_type = 'contact') as contact,
      json_build_object('id', c.id, 'number', c.number, 'subject', c.subject, 'status', c.status, 'inbox_id', c.inbox_id,
        'channel_id', c.channel_id, 'assignee_id', c.assignee_id) as conversation
    from unnest(${ids}::uuid[]) with ordinality as wanted (id, place),
      lateral (select * from messages where id = wanted.id and deleted_at is null limit 1) m,
      lateral (select * from conversations where id = m.conversation_id limit 1) c
    order by wanted.place`.execute(trx)
  return rows
}

/** Contacts with all of these words in their names or handles, up to `most`. */
export async function findPeople(trx: Trx, name: string, most: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from search_people(phraseto_tsquery('parley_search', search_words(${name})), ${most}) as id`.execute(trx)
  return rows.map(row => row.id)
}

export type FoundContact = {
  id: string
  name: string
  identities: { network: string; handle: string | null; display_name: string | null }[]
  score: number
}
export type FoundContactPlace = { score: number; id: string }

/**
 * Contacts whose names or handles are like `name` or begin with its words, most alike first. A name that very many have
 * is looked for among 500 of them.
 */
export async function searchContacts(
  trx: Trx,
  filter: { name: string; prefixes: string[]; inbox_ids: string[] | null },
  page: { limit: number; after?: FoundContactPlace | undefined },
): Promise<FoundContact[]> {
  const { name, prefixes, inbox_ids } = filter
  const after = page.after ?? { score: 1_001, id: '00000000-0000-0000-0000-000000000000' }
  // Words are given as array elements and quoted here: nothing of them is an operator.
  const query = sql`(
    select coalesce(string_agg(quote_literal(replace(unaccent(word), '\\', '')) || ':*', ' & '), '')::tsquery
    from unnest(${prefixes}::text[]) as word where unaccent(word) <> '')`
  const seen = inbox_ids
    ? sql`and exists (select from search_documents d join conversations v on v.id = d.conversation_id
        where d.contact_id = f.contact_id and v.inbox_id = any(${inbox_ids}::uuid[]))`
    : sql``
  const { rows } = await sql<FoundContact>`
    select c.id, c.name, f.score, (
      select coalesce(json_agg(json_build_object('network', i.network, 'handle', i.handle, 'display_name', i.display_name)
        order by i.updated_at desc, i.id), '[]')
      from (select * from contact_identities i where i.contact_id = c.id order by updated_at desc, id limit 10) i) as identities
    from (
      select * from search_names(lower(unaccent(${name})), ${query}, 500) f
      where (f.score, f.contact_id) < (${after.score}::int, ${after.id}::uuid) ${seen}
      order by f.score desc, f.contact_id desc limit ${page.limit}) f,
      lateral (select * from contacts where id = f.contact_id limit 1) c
    order by f.score desc, f.contact_id desc`.execute(trx)
  return rows
}

/** A channel, inbox or user by what people call it, without regard to case, or by its id. */
export async function listNamed(
  trx: Trx,
  table: 'channels' | 'inboxes' | 'users',
  names: string[],
): Promise<{ id: string; called: string[] }[]> {
  const kind = table === 'channels' ? sql`, kind` : sql``
  const { rows } = await sql<{ id: string; called: string[] }>`
    select id, called from ${sql.table(table)}, lateral (select array[id::text, lower(name)${kind}] as called) c
    where called && ${names.map(name => name.toLowerCase())}::text[] order by id limit 1000`.execute(trx)
  return rows
}
