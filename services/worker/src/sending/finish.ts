import type { SendOutcome } from '@parley/connectors'
import { finishSendAttempt, type ReplyOutcome } from '@parley/core'
import type { Channel, SendAttempt } from '@parley/db'
import type { WorkerContext } from '../context.ts'
import { spread } from './postpone.ts'

/** After that many looks only a person can tell. */
const MAX_LOOKS = 8

/**
 * Records what came of a call or a look, and lets the conversation's next reply go.
 * @param canBeAsked whether the network could tell later what it does not tell now; otherwise a person decides
 */
export async function finish(
  ctx: WorkerContext,
  channel: Channel,
  attempt: SendAttempt,
  outcome: SendOutcome,
  canBeAsked: boolean,
): Promise<string> {
  const { workspace_id } = channel
  const result = resultOf(ctx, attempt, outcome, canBeAsked)
  const next = await ctx.db.inWorkspace(workspace_id, trx =>
    finishSendAttempt(trx, attempt, result, ctx.now(), ctx.random()),
  )
  ctx.wakeUps.publish(workspace_id)
  if (next) ctx.hints.send({ workspace_id, message_id: next })
  return outcome.outcome
}

function resultOf(ctx: WorkerContext, attempt: SendAttempt, outcome: SendOutcome, canBeAsked: boolean): ReplyOutcome {
  switch (outcome.outcome) {
    case 'unknown':
      return { ...outcome, look_again_at: canBeAsked ? nextLook(ctx.now(), attempt.looks) : null }
    case 'retry':
      return { ...outcome, retry_at: spread(ctx, outcome.retry_at) }
    default:
      return outcome
  }
}

/** 5 s after the first doubt, then ever later: networks show a post some time after they took it. */
function nextLook(now: Date, looks: number): Date | null {
  return looks >= MAX_LOOKS ? null : new Date(now.getTime() + 5_000 * 2 ** looks)
}
