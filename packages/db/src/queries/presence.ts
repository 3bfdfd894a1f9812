import { type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Presence as PresenceTable } from '../tables.generated.ts'

export type PresenceRow = Omit<Selectable<PresenceTable>, 'workspace_id'>

/**
 * Remembers that somebody is at a conversation. Writes only what differs from what is known: another state, or times that
 * have come nearer than half of what they are set to. Undefined when nothing was written.
 */
export async function savePresence(trx: Trx, row: PresenceRow, now: Date): Promise<PresenceRow | undefined> {
  const { rows } = await sql<PresenceRow>`
    insert into presence as p (conversation_id, user_id, expires_at, typing_until)
    values (${row.conversation_id}, ${row.user_id}, ${row.expires_at}, ${row.typing_until})
    on conflict (workspace_id, conversation_id, user_id) do update
    set expires_at = excluded.expires_at, typing_until = excluded.typing_until
    where p.expires_at < ${halfway(now, row.expires_at)}
      or coalesce(p.typing_until > ${now}, false) <> (excluded.typing_until is not null)
      or p.typing_until < ${row.typing_until && halfway(now, row.typing_until)}
    returning conversation_id, user_id, expires_at, typing_until`.execute(trx)
  return rows[0]
}

const halfway = (from: Date, to: Date) => new Date((from.getTime() + to.getTime()) / 2)

/** False when that person was not there. */
export async function deletePresence(
  trx: Trx,
  { conversation_id, user_id }: Pick<PresenceRow, 'conversation_id' | 'user_id'>,
): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('presence')
    .where('conversation_id', '=', conversation_id)
    .where('user_id', '=', user_id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Who is at a conversation now. */
export async function listPresence(trx: Trx, conversation_id: string, now: Date): Promise<PresenceRow[]> {
  return trx
    .selectFrom('presence')
    .select(['conversation_id', 'user_id', 'expires_at', 'typing_until'])
    .where('conversation_id', '=', conversation_id)
    .where('expires_at', '>', now)
    .orderBy('user_id')
    .execute()
}

/** Forgets who was somewhere. */
export async function deletePastPresence(trx: Trx, now: Date): Promise<void> {
  await trx.deleteFrom('presence').where('expires_at', '<=', now).execute()
}
