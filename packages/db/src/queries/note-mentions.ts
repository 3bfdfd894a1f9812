import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows } from '../rows.ts'
import type { NoteMentions } from '../tables.generated.ts'
import { mayWork } from './visibility.ts'

export type NoteMention = Selectable<NoteMentions>
/** Somebody who is to be mentioned: by name, or with a team of theirs. */
export type Mentioned = { user_id: string; team_id: string | null }

/** Of these people, and of the members of these teams, those who work in that inbox; each by every way they were named. */
export async function listMentionable(
  trx: Trx,
  inbox_id: string,
  named: { user_ids: string[]; team_ids: string[] },
): Promise<Mentioned[]> {
  const { rows } = await sql<Mentioned>`
    select named.user_id, named.team_id from (
      select unnest(${named.user_ids}::uuid[]) as user_id, null::uuid as team_id
      union
      select user_id, team_id from team_members where team_id = any(${named.team_ids}::uuid[])) named
    where ${mayWork(sql`named.user_id`, sql`${inbox_id}::uuid`)}
    order by named.team_id nulls first, named.user_id`.execute(trx)
  return rows
}

export async function insertMentions(trx: Trx, rows: Insertable<NoteMentions>[]): Promise<void> {
  await insertRows(trx, 'note_mentions', rows)
}

/** Who is mentioned in these notes. */
export async function listMentionsOf(trx: Trx, message_ids: string[]): Promise<NoteMention[]> {
  if (message_ids.length === 0) return []
  return trx
    .selectFrom('note_mentions')
    .selectAll()
    .where('message_id', 'in', message_ids)
    .orderBy('message_id')
    .orderBy('user_id')
    .execute()
}
