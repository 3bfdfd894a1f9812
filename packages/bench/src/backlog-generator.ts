import { ALL_LANES } from '@parley/core'
import type pg from 'pg'
import { TEXTS } from './corpus.ts'
import { idAt, type Place, planMessages } from './planned-messages.ts'

const SLICE = 200_000
const HOUR_MS = 3600 * 1000

/** Puts `count` webhook events of the last hour into a channel's ledger, none of them done. */
export async function fillBacklog(
  client: pg.Client,
  { workspace_id, inbox_id: _, channel_id }: Place,
  count: number,
  say: (line: string) => void,
): Promise<void> {
  await client.query(`set synchronous_commit = off; set jit = off; set work_mem = '256MB'`)
  const until = new Date()
  await planMessages(client, { count, from: new Date(until.getTime() - HOUR_MS), until })
  const id = idAt('inbound')
  for (let first = 0; first < count; first += SLICE) {
    const slice = `p.n >= ${first} and p.n < ${first + SLICE} order by p.n`
    await client.query(
      `insert into inbound_events (workspace_id, id, channel_id, dedup_key, lane, source, received_at)
       select '${workspace_id}', ${id}, '${channel_id}', 'evt-backlog-' || p.n, p.thread % ${ALL_LANES.length}, 'webhook', p.at
       from planned p where ${slice}`,
    )
    // As webhookEvent in corpus.ts has it; created_at in whole seconds, as networks stamp.
    await client.query(
      `insert into inbound_payloads (workspace_id, id, payload)
       select '${workspace_id}', ${id}, json_build_object('id', 'evt-backlog-' || p.n, 'type', 'message.received', 'data',
         json_build_object('external_id', 'backlog-' || p.n, 'thread_id', 'backlog-thread-' || p.thread,
           'author', json_build_object('platform_id', 'backlog-author-' || p.author, 'handle', 'author' || p.author,
             'name', 'Zoë Müller ' || p.author),
           'text', ($1::text[])[1 + p.n % ${TEXTS.length}],
           'created_at', to_char(p.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'kind', 'comment', 'visibility', 'public'))
       from planned p where ${slice}`,
      [TEXTS],
    )
    say(`backlog: ${Math.min(count, first + SLICE)} of ${count} events are there`)
  }
  await client.query('drop table pg_temp.planned')
  await client.query('vacuum (analyze)')
}
