import { appendEvents, type Channel, updateChannel } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from './context.ts'

/** The network no longer lets us in. Nothing is lost: replies stay queued until somebody reconnects the account. */
export async function disableChannel(ctx: WorkerContext, channel: Channel, reason: string): Promise<void> {
  await ctx.db.inWorkspace(channel.workspace_id, async trx => {
    await updateChannel(trx, channel.id, { status: 'disabled', status_reason: reason })
    const data = { channel_id: channel.id, reason }
    await appendEvents(trx, [{ type: 'channel.disabled', at: ctx.now(), actor: SYSTEM, data }])
  })
  ctx.wakeUps.publish(channel.workspace_id)
}
