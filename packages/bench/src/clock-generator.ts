import type pg from 'pg'
import { dropIndexes } from './drop-indexes.ts'
import { uuidOf } from './made-ids.ts'
import type { Place } from './planned-messages.ts'

/** How long after it was filled the first clock falls due, and the last. */
const FIRST_HOURS = 6
const LAST_HOURS = 30 * 24
const FILL_SETTINGS =
  "set session_replication_role = replica; set synchronous_commit = off; set jit = off; set maintenance_work_mem = '512MB'"

/** Of the clock that runs in a conversation, by its number. */
export const clockId = (n: string) => uuidOf(9, n)

/**
 * Fills an inbox with `count` open conversations, in each of which a customer waits under a promise that falls due within a
 * month. Takes a superuser: foreign keys are not checked, and waits and messages are left out, at which no tick looks.
 */
export async function fillClocks(
  client: pg.Client,
  { workspace_id, inbox_id, channel_id }: Place,
  count: number,
): Promise<void> {
  await client.query(FILL_SETTINGS)
  const indexes = await dropIndexes(client, ['conversations', 'sla_clocks'])
  const now = `'${new Date().toISOString()}'::timestamptz`
  // Near each other in number are far apart in time, as they are where many wait for each other.
  const due = `${now} + interval '1 hour' * (${FIRST_HOURS} + ${LAST_HOURS - FIRST_HOURS} * (n * 7919::bigint % ${count})::float8 / ${count})`
  await client.query(`
    insert into sla_policies (workspace_id, id, name, version, created_at)
    values ('${workspace_id}', ${uuidOf(8, '1')}, 'Standard', 1, ${now})`)
  await client.query(`
    insert into conversations (workspace_id, id, number, inbox_id, channel_id, contact_id, thread_key, status, waiting_since,
      next_due_at, first_message_at, first_external_id, last_message_at, created_at, updated_at)
    select '${workspace_id}', ${uuidOf(2, 'n')}, n, '${inbox_id}', '${channel_id}', ${uuidOf(1, 'n')}, 'thread-' || n, 'open',
      ${now}, ${due}, ${now}, 'first-' || n, ${now}, ${now}, ${now}
    from generate_series(1, ${count}) n`)
  await client.query(`
    insert into sla_clocks (workspace_id, id, conversation_id, contact_id, wait_id, inbox_id, metric, ordinal, policy_id,
      policy_version, calendar_id, calendar_version, started_at, target_seconds, due_at)
    select '${workspace_id}', ${clockId('n')}, ${uuidOf(2, 'n')}, ${uuidOf(1, 'n')}, ${uuidOf(3, 'n')}, '${inbox_id}',
      'first_response', 1, ${uuidOf(8, '1')}, 1, ${uuidOf(8, '2')}, 1, ${now}, 3600, ${due}
    from generate_series(1, ${count}) n`)
  // What is made up has no log: there is nothing to check it by.
  await client.query(`
    insert into sla_self_checks (workspace_id, started_at, finished_at, held_until, remaining)
    values ('${workspace_id}', ${now}, ${now}, ${now}, '{}')`)
  for (const definition of indexes) await client.query(definition)
  await client.query('vacuum (analyze)')
}
