import { connectorFor } from '@parley/connectors'
import { ALL_LANES, applyInbound, followPosts, triageEvents } from '@parley/core'
import { claimPendingEvents, type EventRow, findChannel } from '@parley/db'
import { lexiconModel } from '@parley/triage'
import { sql } from 'kysely'
import type { Tenant, TestApi } from './helper.ts'

let lastNumber = 1_000_000

/** What the worker does with what has come to a channel: messages, what they are about, and what is told of their posts. */
export async function work(api: TestApi, tenant: Tenant, channel_id: string): Promise<void> {
  const { db, clock } = api
  await db.inWorkspace(tenant.workspace_id, async trx => {
    const channel = (await findChannel(trx, channel_id))!
    const { normalise } = connectorFor(channel.kind)
    const rows = await claimPendingEvents(trx, channel_id, ALL_LANES, 1_000)
    const batch = rows.map(({ payload, ...row }) => ({ ...row, event: normalise(channel, payload, row.received_at) }))
    const nextNumber = () => {
      lastNumber += 1
      return lastNumber
    }
    await applyInbound(trx, channel, batch, nextNumber, clock.now)
    const { rows: events } = await sql<EventRow>`
      select * from events where xact = pg_current_xact_id() order by seq`.execute(trx)
    await triageEvents(trx, events, lexiconModel, clock.now)
    await followPosts(trx, events, clock.now)
  })
}
