import type { ConversationStatus } from '@parley/domain'
import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { Conversation } from './conversations.ts'
import { mayWork } from './visibility.ts'

export type OwnedFilter = {
  ids?: string[] | undefined
  user_id?: string | undefined
  inbox_id?: string | undefined
  statuses: ConversationStatus[]
  /** Only what its owner cannot see any more, and with a time also what belongs to who is out of office then. */
  lost?: true | Date | undefined
}

/** Locks conversations that somebody owns, in id order so that two writers cannot deadlock. */
export async function lockOwned(
  trx: Trx,
  { ids, user_id, inbox_id, statuses, lost }: OwnedFilter,
): Promise<Conversation[]> {
  let query = trx
    .selectFrom('conversations as c')
    .selectAll()
    .where('c.assignee_id', 'is not', null)
    .where('c.status', 'in', statuses)
  if (ids) query = query.where('c.id', 'in', ids)
  if (user_id) query = query.where('c.assignee_id', '=', user_id)
  if (inbox_id) query = query.where('c.inbox_id', '=', inbox_id)
  if (lost) {
    const unseen = sql<boolean>`not ${mayWork(sql.ref('c.assignee_id'), sql.ref('c.inbox_id'))}`
    const absent = sql<boolean>`exists (select from users u where u.id = c.assignee_id and u.availability = 'out_of_office'
      and (u.out_of_office_until is null or u.out_of_office_until > ${lost}))`
    query = query.where(lost === true ? unseen : sql<boolean>`(${unseen} or ${absent})`)
  }
  return query.orderBy('c.id').forUpdate('c').execute()
}

type Owner = Pick<Conversation, 'id' | 'assignee_id' | 'claim_expires_at' | 'updated_at'>

/** Writes who owns these conversations, and raises their versions; the caller holds their locks. Returns them in that order. */
export async function updateOwners(trx: Trx, owners: Owner[]): Promise<Conversation[]> {
  const { rows } = await sql<Conversation>`
    update conversations c
    set assignee_id = o.assignee_id, claim_expires_at = o.claim_expires_at, updated_at = o.updated_at, version = c.version + 1
    from ${rowsOf('conversations', owners)} o, lateral (select ctid from conversations where id = o.id for update) found
    where c.ctid = found.ctid
    returning c.*`.execute(trx)
  const changed = new Map(rows.map(row => [row.id, row]))
  return owners.map(({ id }) => changed.get(id)!)
}
