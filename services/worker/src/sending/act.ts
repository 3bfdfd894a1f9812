import {
  type ActionOutcome,
  ChannelAuthError,
  NetworkUnavailable,
  networkMessage,
  SendRefused,
  TooLate,
} from '@parley/connectors'
import { type ActionResult, type ActionTask, callDeadline, finishAction, openChannel } from '@parley/core'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { disableChannel } from '../disable-channel.ts'
import { spread } from './postpone.ts'

type Task = Extract<ActionTask, { task: 'act' }>

/** After that many calls nobody answered, a person decides. */
const MAX_ATTEMPTS = 8
const AGAIN_MS = 5_000
const RETRY_MS = 30_000

/** Does one action on its network and records what came of it. */
export async function actNow(ctx: WorkerContext, task: Task): Promise<string> {
  const { attempt, channel } = task
  const outcome = await callNetwork(ctx, task)
  const result = resultOf(ctx, task, outcome)
  await ctx.db.inWorkspace(channel.workspace_id, trx => finishAction(trx, attempt, result, ctx.now(), ctx.random()))
  ctx.wakeUps.publish(channel.workspace_id)
  return outcome.outcome
}

function resultOf(ctx: WorkerContext, { attempt }: Task, outcome: ActionOutcome): ActionResult {
  if (outcome.outcome === 'retry') return { ...outcome, retry_at: spread(ctx, outcome.retry_at) }
  if (outcome.outcome !== 'unknown') return outcome
  const pauseMs = AGAIN_MS * 2 ** (attempt.number - 1)
  const again_at = attempt.number < MAX_ATTEMPTS ? new Date(ctx.now().getTime() + pauseMs) : null
  return { ...outcome, again_at }
}

async function callNetwork(ctx: WorkerContext, task: Task): Promise<ActionOutcome> {
  const { action, message, channel, attempt } = task
  const retry = (reason: string, retry_at: Date | null) => {
    const soonest = new Date(ctx.now().getTime() + RETRY_MS)
    return { outcome: 'retry' as const, reason, retry_at: retry_at ?? soonest }
  }
  try {
    const { act } = ctx.connectorFor(channel.kind)
    const target = networkMessage(message)
    if (!act || !target) return { outcome: 'rejected', reason: 'The message is not on its network.' }
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    const context = connectorContext(ctx, channel, callDeadline(attempt))
    return await act(opened, { action_id: action.id, verb: action.verb, target, text: action.body }, context)
  } catch (error) {
    if (error instanceof SendRefused) return { outcome: 'rejected', reason: error.message }
    if (error instanceof NetworkUnavailable) return retry(error.message, error.retry_at)
    if (error instanceof TooLate) return retry('The worker was held up.', null)
    if (error instanceof ChannelAuthError) {
      await disableChannel(ctx, channel, error.message)
      return retry(error.message, null)
    }
    ctx.logger.warn({ err: error, channel_id: channel.id }, 'action failed without an outcome')
    return { outcome: 'unknown', reason: 'The connection was lost before the answer came.' }
  }
}
