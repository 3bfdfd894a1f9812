import { sendJob } from '@parley/contracts'
import { takeActionTask, takeSendTask } from '@parley/core'
import type { WorkerContext } from '../context.ts'
import { actNow } from '../sending/act.ts'
import { lookUp } from '../sending/look-up.ts'
import { postpone } from '../sending/postpone.ts'
import { sendQueued } from '../sending/send-queued.ts'

/**
 * Sends one queued reply, at most once, however often it is hinted; or does one action. The attempt is committed before
 * the network is called, so a crash leaves `sending`: once its lease has run out, the network is asked what became of
 * a reply, and an action, of which a repeat changes nothing, is repeated.
 */
export function send(ctx: WorkerContext) {
  return async (data: unknown): Promise<string> => {
    const { workspace_id, message_id, action_id } = sendJob.parse(data)
    if (action_id) {
      const task = await ctx.db.inWorkspace(workspace_id, trx => takeActionTask(trx, action_id, ctx.now()))
      if (task.task !== 'act') return task.reason
      const outcome = await actNow(ctx, task)
      // Its batch may wait for the room that it has made.
      if (task.action.batch_id) ctx.hints.batch({ workspace_id, batch_id: task.action.batch_id })
      return outcome
    }
    const task = await ctx.db.inWorkspace(workspace_id, trx => takeSendTask(trx, message_id, ctx.now()))
    switch (task.task) {
      case 'send':
        return sendQueued(ctx, task)
      case 'look_up':
        return lookUp(ctx, task)
      case 'nothing':
        if (task.reason === 'channel_not_ready') await postpone(ctx, workspace_id, message_id, task.again_at)
        if (task.reason === 'part_not_sent') ctx.wakeUps.publish(workspace_id)
        return task.reason
      default:
        return task satisfies never
    }
  }
}
