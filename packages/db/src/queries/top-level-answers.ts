import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Message } from './messages.ts'

/**
 * Whether `a`, which one of our people wrote in the network's own app, stands at the top of a public thread: beside or under
 * the post itself, and under nobody's message. The post that the thread is on answers nobody.
 */
export const AT_THE_TOP: RawBuilder<boolean> = sql<boolean>`(a.author_type = 'native' and a.contact_id is null
  and a.visibility in ('public', 'unlisted') and (
    select a.external_id is distinct from p.external_id
      and (a.parent_external_id is null or (a.parent_external_id = p.external_id and p.kind <> 'theirs'))
    from conversations v left join posts p on p.workspace_id = v.workspace_id and p.id = v.post_id
    where v.workspace_id = a.workspace_id and v.id = a.conversation_id))`

/** A policy that was left has no say, nor has a window. */
const COUNTS = sql`(k.metric <> 'network_window' and k.cancelled_reason is distinct from 'policy_removed')`

/** Since when what stands at the top answers what this customer had said by then; null: it does not. */
export const topLevelSince = (
  conversation_id: RawBuilder<unknown>,
  contact_id: RawBuilder<unknown>,
  said_at: RawBuilder<unknown>,
) => sql`(
  select k.top_level_since from waits w
  join sla_clocks k on k.workspace_id = w.workspace_id and k.wait_id = w.id and k.conversation_id = ${conversation_id} and ${COUNTS}
  where w.conversation_id = ${conversation_id} and w.contact_id = ${contact_id} and w.opened_at <= ${said_at}
  order by w.opened_at desc limit 1)`

/** Who waited when something was said at the top of their thread, and had been promised that it answers all. */
export async function listAnsweredFromTheTop(
  trx: Trx,
  { id, conversation_id, occurred_at }: Pick<Message, 'id' | 'conversation_id' | 'occurred_at'>,
): Promise<string[]> {
  const { rows } = await sql<{ contact_id: string }>`
    select distinct w.contact_id
    from messages a
    join waits w on w.conversation_id = a.conversation_id and w.opened_at <= ${occurred_at}
      and (w.closed_at is null or w.closed_at >= ${occurred_at})
    join sla_clocks k on k.wait_id = w.id and k.conversation_id = w.conversation_id
      and k.top_level_since <= ${occurred_at} and ${COUNTS}
    where a.id = ${id} and a.conversation_id = ${conversation_id} and ${AT_THE_TOP}
    order by w.contact_id`.execute(trx)
  return rows.map(row => row.contact_id)
}
