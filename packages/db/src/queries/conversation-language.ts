import type { LanguageSource } from '@parley/domain'
import { sql } from 'kysely'
import type { Trx } from '../database.ts'

/** So many of the customers' last messages say what a conversation is written in. */
const LAST_MESSAGES = 20

/** A language that a conversation was given. */
export type LanguageChange = {
  id: string
  language: string
  source: Exclude<LanguageSource, 'person'>
  previous: { language: string | null; language_source: LanguageSource | null }
}

/**
 * Gives conversations the language that who began them wants to be answered in; else that of most of the customers' last
 * messages, and of two as frequent ones that which it has. What a person said stays. Returns what has changed.
 */
export async function updateLanguages(trx: Trx, ids: string[], now: Date): Promise<LanguageChange[]> {
  // Most conversations have theirs: nobody waits for a lock on those.
  const { rows: due } = await sql<{ id: string }>`select w.id from (${languagesOf(ids)}) w`.execute(trx)
  if (due.length === 0) return []
  const changing = due.map(({ id }) => id)
  await sql`
    select from (select distinct id from unnest(${changing}::uuid[]) as given (id) order by id) wanted,
      lateral (select from conversations where id = wanted.id for update) locked`.execute(trx)
  // Once more, in a statement that sees what was committed while this one waited.
  const { rows } = await sql<LanguageChange>`
    update conversations c
    set language = w.language, language_source = w.source, updated_at = ${now}, version = c.version + 1
    from (${languagesOf(changing)}) w, lateral (select ctid from conversations where id = w.id limit 1) found
    where c.ctid = found.ctid
    returning c.id, w.language, w.source,
      jsonb_build_object('language', w.old_language, 'language_source', w.old_source) as previous`.execute(trx)
  return rows
}

/** Of these conversations those that should have another language than they have. */
const languagesOf = (ids: string[]) => sql`
  select c.id, c.language as old_language, c.language_source as old_source, wanted.language, wanted.source
  from (select distinct id from unnest(${ids}::uuid[]) as given (id)) asked
    cross join lateral (select * from conversations where id = asked.id limit 1) c
    left join lateral (
      select person.language
      from (select coalesce(merged_into, id) as id from contacts where id = c.contact_id limit 1) one
        cross join lateral (select language from contacts where id = one.id limit 1) person) stated on true
    left join lateral (
      select t.language from (
        select id from messages
        where conversation_id = c.id and direction = 'inbound' and deleted_at is null
        order by occurred_at desc, thread_position desc limit ${LAST_MESSAGES}) m
        cross join lateral (select language from message_triage where message_id = m.id limit 1) t
      where t.language is not null
      group by t.language
      order by count(*) desc, (t.language = c.language) desc nulls last, t.language limit 1) detected on true
    cross join lateral (
      select coalesce(stated.language, detected.language) as language,
        case when stated.language is null then 'detected' else 'contact' end as source) wanted
  where c.language_source is distinct from 'person' and wanted.language is not null
    and (wanted.language, wanted.source) is distinct from (c.language, c.language_source)`
