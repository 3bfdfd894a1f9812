import { appendEvents, type Channel, disableChannel as disable } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from './context.ts'

/**
 * The network no longer lets us in. Nothing is lost: replies stay queued until somebody reconnects the account. The
 * refusal of credentials that were replaced meanwhile says nothing.
 */
export async function disableChannel(ctx: WorkerContext, channel: Channel, reason: string): Promise<void> {
  const disabled = await ctx.db.inWorkspace(channel.workspace_id, async trx => {
    if (!(await disable(trx, channel, reason))) return false
    const data = { channel_id: channel.id, reason }
    await appendEvents(trx, [{ type: 'channel.disabled', at: ctx.now(), actor: SYSTEM, data }])
    return true
  })
  if (disabled) ctx.wakeUps.publish(channel.workspace_id)
}
