import { sql } from 'kysely'
import type { Trx } from '../database.ts'

/** Of a text this long PostgreSQL can keep all words; longer ones are tried, and cut where they have too many. */
const CERTAIN_CHARACTERS = 40_000

const CHANGED = sql`(d.kind, d.conversation_id, d.contact_id, d.at, d.has_attachments, d.terms)
  is distinct from
  (excluded.kind, excluded.conversation_id, excluded.contact_id, excluded.at, excluded.has_attachments, excluded.terms)`
const REPLACE = sql`
  on conflict (workspace_id, id) do update
    set kind = excluded.kind, conversation_id = excluded.conversation_id, contact_id = excluded.contact_id,
      at = excluded.at, day = excluded.day, has_attachments = excluded.has_attachments, terms = excluded.terms
    where ${CHANGED}`
// Between angle brackets PostgreSQL sees an HTML tag, which has no words; people put addresses there.
const text = (column: string) => sql`translate(${sql.ref(column)}, '<>', '  ')`
const dayOf = (column: string) => sql`floor(extract(epoch from ${sql.ref(column)}) / 86400)::integer`

/**
 * Brings the index level with these messages and notes as they stand now; any number of times comes to the same. What is
 * deleted, was never said or is not there leaves it.
 */
export async function indexMessages(trx: Trx, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  const said = sql`m.deleted_at is null and m.state in ('received', 'stored', 'queued', 'sending', 'sent', 'unknown')`
  await Promise.all([
    sql`
      delete from search_documents d using unnest(${ids}::uuid[]) as wanted (id)
      where d.id = wanted.id and d.kind <> 'subject'
        and not exists (select from messages m where m.id = wanted.id and ${said})`.execute(trx),
    sql`
      insert into search_documents as d (id, kind, conversation_id, contact_id, at, day, has_attachments, terms)
      select m.id, case m.direction when 'internal' then 'note' else 'message' end, m.conversation_id,
        case m.author_type when 'contact' then m.contact_id end, m.occurred_at, ${dayOf('m.occurred_at')},
        m.has_attachments,
        case when length(m.body) <= ${CERTAIN_CHARACTERS} then to_tsvector('parley_search', ${text('m.body')})
          else search_terms(${text('m.body')}) end
      from unnest(${ids}::uuid[]) as wanted (id),
        lateral (select * from messages m where m.id = wanted.id and ${said} limit 1) m
      ${REPLACE}`.execute(trx),
  ])
}

/** Brings the index level with the subjects of these conversations; one that has none any more leaves it. */
export async function indexSubjects(trx: Trx, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  await sql`
    delete from search_documents d using unnest(${ids}::uuid[]) as wanted (id)
    where d.id = wanted.id and d.kind = 'subject'
      and not exists (select from conversations c where c.id = wanted.id and c.subject is not null)`.execute(trx)
  await sql`
    insert into search_documents as d (id, kind, conversation_id, contact_id, at, day, has_attachments, terms)
    select c.id, 'subject', c.id, c.contact_id, c.first_message_at, ${dayOf('c.first_message_at')}, false,
      setweight(to_tsvector('parley_search', left(c.subject, ${CERTAIN_CHARACTERS})), 'A')
    from unnest(${ids}::uuid[]) as wanted (id),
      lateral (select * from conversations c where c.id = wanted.id and c.subject is not null limit 1) c
    ${REPLACE}`.execute(trx)
}

/** Brings the index level with the names and handles of these contacts. Those that are not there leave it. */
export async function indexContacts(trx: Trx, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  await Promise.all([
    sql`
      delete from search_contacts d using unnest(${ids}::uuid[]) as wanted (id)
      where d.contact_id = wanted.id and not exists (select from contacts c where c.id = wanted.id)`.execute(trx),
    sql`
      insert into search_contacts as d (contact_id, names, terms)
      select c.id, lower(unaccent(called.names)), to_tsvector('parley_search', search_words(called.names))
      from unnest(${ids}::uuid[]) as wanted (id),
        lateral (select id, name from contacts where id = wanted.id limit 1) c,
        lateral (
          select left(string_agg(distinct name, ' ' order by name), 10000) as names
          from (
            select c.name union select i.handle from contact_identities i where i.contact_id = c.id
            union select i.display_name from contact_identities i where i.contact_id = c.id) every (name)
          where name is not null) called
      on conflict (workspace_id, contact_id) do update set names = excluded.names, terms = excluded.terms
        where d.names <> excluded.names`.execute(trx),
  ])
}

/** What the index has of the conversations in which these contacts wrote. */
export async function listDocumentsAround(
  trx: Trx,
  contact_ids: string[],
): Promise<{ messages: string[]; conversations: string[] }> {
  if (contact_ids.length === 0) return { messages: [], conversations: [] }
  const { rows } = await sql<{ id: string; kind: string; conversation_id: string }>`
    select d.id, d.kind, d.conversation_id from search_documents d
    where d.conversation_id in (
      select conversation_id from search_documents where contact_id = any(${contact_ids}::uuid[]))`.execute(trx)
  return {
    messages: rows.filter(({ kind }) => kind !== 'subject').map(({ id }) => id),
    conversations: [...new Set(rows.map(({ conversation_id }) => conversation_id))],
  }
}
