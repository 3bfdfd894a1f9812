import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Database, Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { ExpertLinks } from '../tables.generated.ts'
import { hashToken } from './credentials.ts'
import { mayWork } from './visibility.ts'

export type ExpertLink = Selectable<ExpertLinks>
/** What an expert is shown of a message. `name` is null for us, and for a customer whose public name is not known. */
export type ShownMessage = { ours: boolean; name: string | null; body: string; occurred_at: Date }

/** Which link a token is of, whether or not it still opens anything. One round trip, before a workspace is known. */
export async function findExpertLinkByToken(
  db: Database,
  token: string,
): Promise<{ workspace_id: string; id: string } | undefined> {
  return (await db.pool.query('select * from find_expert_link($1)', [hashToken(token)])).rows[0]
}

export async function insertExpertLink(trx: Trx, row: Insertable<ExpertLinks>): Promise<ExpertLink> {
  return trx.insertInto('expert_links').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findExpertLink(trx: Trx, id: string): Promise<ExpertLink | undefined> {
  return trx.selectFrom('expert_links').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Locks one link until the transaction ends. Whoever needs its conversation too locks that first. */
export async function lockExpertLink(trx: Trx, id: string): Promise<ExpertLink | undefined> {
  return trx.selectFrom('expert_links').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** The links of a conversation in order of creation. */
export async function listExpertLinks(trx: Trx, conversation_id: string, page: IdPage): Promise<ExpertLink[]> {
  return trx
    .selectFrom('expert_links')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/** The caller holds the row's lock. */
export async function updateExpertLink(trx: Trx, id: string, change: Updateable<ExpertLinks>): Promise<ExpertLink> {
  return trx.updateTable('expert_links').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

/** Whether who made a link, a person or a key that acts as none, may work in that inbox now. */
export async function isAskerThere(
  trx: Trx,
  { created_by_type, created_by_id }: Pick<ExpertLink, 'created_by_type' | 'created_by_id'>,
  inbox_id: string,
  now: Date,
): Promise<boolean> {
  const there =
    created_by_type === 'user'
      ? mayWork(sql`${created_by_id}::uuid`, sql`${inbox_id}::uuid`)
      : sql`exists (select from api_keys where id = ${created_by_id} and revoked_at is null
          and (expires_at is null or expires_at > ${now}) and (inbox_ids is null or ${inbox_id}::uuid = any(inbox_ids)))`
  const { rows } = await sql<{ there: boolean }>`select ${there} as there`.execute(trx)
  return rows[0]!.there
}

/** Customers' messages, and ours that reached the network; never notes, nor what was deleted. */
const said = sql<boolean>`(direction = 'inbound' or (direction = 'outbound' and state = 'sent')) and deleted_at is null`

/** The last messages of a conversation that an expert can be shown, newest first. */
export async function listLatestSaid(trx: Trx, conversation_id: string, limit: number): Promise<string[]> {
  const rows = await trx
    .selectFrom('messages')
    .select('id')
    .where('conversation_id', '=', conversation_id)
    .where(said)
    .orderBy('occurred_at', 'desc')
    .orderBy('thread_position', 'desc')
    .limit(limit)
    .execute()
  return rows.map(row => row.id)
}

/** Of these ids those that an expert can be shown as messages of that conversation. */
export async function listKnownSaid(trx: Trx, conversation_id: string, ids: string[]): Promise<string[]> {
  const rows = await trx
    .selectFrom('messages')
    .select('id')
    .where('conversation_id', '=', conversation_id)
    .where(sql<boolean>`id = any(${ids}::uuid[])`)
    .where(said)
    .execute()
  return rows.map(row => row.id)
}

/**
 * What an expert is shown of these messages now, oldest first. A customer's name is the one that they gave themselves on
 * the network, and not what we call them; one with an @ in it may be a handle or an address, and is left out.
 */
export async function listShown(trx: Trx, conversation_id: string, ids: string[]): Promise<ShownMessage[]> {
  const { rows } = await sql<ShownMessage>`
    select m.direction = 'outbound' as ours, m.body, m.occurred_at, case m.direction when 'inbound' then (
      select i.display_name from contacts c
      join contact_identities i on i.contact_id in (c.id, c.merged_into)
      where c.id = m.contact_id and i.display_name <> '' and position('@' in i.display_name) = 0
        and lower(i.display_name) <> lower(i.external_id) and lower(i.display_name) is distinct from lower(i.handle)
      order by i.contact_id = c.id desc, i.id limit 1) end as name
    from messages m
    where m.conversation_id = ${conversation_id} and m.id = any(${ids}::uuid[]) and ${said}
    order by m.occurred_at, m.thread_position`.execute(trx)
  return rows
}
