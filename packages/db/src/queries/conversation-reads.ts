import { sql } from 'kysely'
import type { Trx } from '../database.ts'

/** A person has read a conversation up to that time; an earlier one changes nothing. */
export async function markRead(trx: Trx, user_id: string, conversation_id: string, read_at: Date): Promise<void> {
  await trx
    .insertInto('conversation_reads')
    .values({ user_id, conversation_id, read_at })
    .onConflict(conflict =>
      conflict
        .columns(['workspace_id', 'user_id', 'conversation_id'])
        .doUpdateSet({ read_at: sql`greatest(conversation_reads.read_at, excluded.read_at)` }),
    )
    .execute()
}

/** Up to when a person has read these conversations; one they never opened is not in it. */
export async function listReads(trx: Trx, user_id: string, conversation_ids: string[]): Promise<Map<string, Date>> {
  const rows = await trx
    .selectFrom('conversation_reads')
    .select(['conversation_id', 'read_at'])
    .where('user_id', '=', user_id)
    .where('conversation_id', 'in', conversation_ids)
    .execute()
  return new Map(rows.map(({ conversation_id, read_at }) => [conversation_id, read_at]))
}
