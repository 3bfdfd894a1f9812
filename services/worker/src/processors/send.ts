import {
  ChannelAuthError,
  type Connector,
  type FindSentOutcome,
  NetworkUnavailable,
  type PreparedSend,
  type SendOutcome,
  SendRefused,
} from '@parley/connectors'
import { sendJob } from '@parley/contracts'
import {
  beginSendAttempt,
  finishSendAttempt,
  openChannel,
  postponeReply,
  type ReplyOutcome,
  refuseReply,
  type SendTask,
  takeSendTask,
} from '@parley/core'
import type { Channel } from '@parley/db'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { disableChannel } from '../disable-channel.ts'

/** Shorter than the lease of an attempt: when it runs out, nobody is still talking to the network. */
const CALL_TIMEOUT_MS = 30_000
const POSTPONE_MS = 30_000
/** After that many looks only a person can tell. */
const MAX_LOOKS = 8

type Attempt = NonNullable<Awaited<ReturnType<typeof beginSendAttempt>>>

/**
 * Sends one queued reply, at most once, however often it is hinted. The attempt is committed before the network is
 * called, so a crash leaves `sending`: once its lease has run out, the network is asked what became of it.
 */
export function send(ctx: WorkerContext) {
  return async (data: unknown): Promise<string> => {
    const { workspace_id, message_id } = sendJob.parse(data)
    const task = await ctx.db.inWorkspace(workspace_id, trx => takeSendTask(trx, message_id, ctx.now()))
    switch (task.task) {
      case 'send':
        return sendQueued(ctx, task)
      case 'look_up':
        return lookUp(ctx, task)
      case 'nothing':
        if (task.reason === 'channel_not_ready') await postpone(ctx, workspace_id, message_id, null)
        return task.reason
      default:
        return task satisfies never
    }
  }
}

async function sendQueued(ctx: WorkerContext, task: Extract<SendTask, { task: 'send' }>): Promise<string> {
  const { message, channel } = task
  const prepared = await prepare(ctx, task)
  if (!prepared) return 'not_prepared'
  const connector = ctx.connectorFor(channel.kind)
  const expected_id = connector.expectedId?.(prepared) ?? null
  const attempt = await ctx.db.inWorkspace(message.workspace_id, trx =>
    beginSendAttempt(trx, message.id, prepared, expected_id, ctx.now()),
  )
  if (!attempt) return 'not_queued'
  const outcome = await callNetwork(ctx, connector, channel, prepared)
  return finish(ctx, channel, attempt, outcome, connector)
}

/** Undefined when there is nothing to send now; what is to become of the reply is then recorded. */
async function prepare(
  ctx: WorkerContext,
  { message, channel, parent, thread_key }: Extract<SendTask, { task: 'send' }>,
): Promise<PreparedSend | undefined> {
  const { workspace_id } = message
  const connector = ctx.connectorFor(channel.kind)
  const reply = {
    message_id: message.id,
    text: message.body,
    visibility: message.visibility,
    thread_key,
    queued_at: message.received_at,
    in_reply_to: parent?.external_id
      ? {
          external_id: parent.external_id,
          reply_context: parent.reply_context as Record<string, unknown> | null,
          visibility: parent.visibility,
          from_us: parent.direction === 'outbound',
        }
      : null,
    attachments: [],
  }
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    return (await connector.prepare?.(opened, reply, connectorContext(ctx, channel, CALL_TIMEOUT_MS))) ?? {}
  } catch (error) {
    if (error instanceof SendRefused) {
      await ctx.db.inWorkspace(workspace_id, trx => refuseReply(trx, message.id, error.message, ctx.now()))
      ctx.wakeUps.publish(workspace_id)
      return undefined
    }
    if (error instanceof ChannelAuthError) await disableChannel(ctx, channel, error.message)
    await postpone(ctx, workspace_id, message.id, error instanceof NetworkUnavailable ? error.retry_at : null)
    if (!(error instanceof NetworkUnavailable || error instanceof ChannelAuthError)) throw error
    return undefined
  }
}

async function postpone(
  ctx: WorkerContext,
  workspace_id: string,
  message_id: string,
  until: Date | null,
): Promise<void> {
  const at = until ?? new Date(ctx.now().getTime() + POSTPONE_MS)
  await ctx.db.inWorkspace(workspace_id, trx => postponeReply(trx, message_id, at))
}

async function callNetwork(
  ctx: WorkerContext,
  connector: Connector,
  channel: Channel,
  prepared: PreparedSend,
): Promise<SendOutcome> {
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    return await connector.send!(opened, prepared, connectorContext(ctx, channel, CALL_TIMEOUT_MS))
  } catch (error) {
    ctx.logger.warn({ err: error, channel_id: channel.id }, 'send failed without an outcome')
    return { outcome: 'unknown', reason: 'The connection was lost before the answer came.' }
  }
}

/** Asks the network about an earlier call. Where a repeat is the same post, a reply it does not have is sent again. */
async function lookUp(ctx: WorkerContext, task: Extract<SendTask, { task: 'look_up' }>): Promise<string> {
  const { channel, attempt } = task
  const connector = ctx.connectorFor(channel.kind)
  const prepared = attempt.prepared as PreparedSend
  const found = await findSent(ctx, connector, channel, prepared)
  if (found.outcome !== 'not_found') return finish(ctx, channel, attempt, found, connector)
  const { idempotency } = connector.capabilities(openChannel(ctx.config.PARLEY_SECRET_KEY, channel))
  if (idempotency === 'chosen_key') {
    return finish(ctx, channel, attempt, await callNetwork(ctx, connector, channel, prepared), connector)
  }
  const reason = 'The network does not show it; whether it was refused is not known.'
  return finish(ctx, channel, attempt, { outcome: 'unknown', reason }, connector)
}

async function findSent(
  ctx: WorkerContext,
  connector: Connector,
  channel: Channel,
  prepared: PreparedSend,
): Promise<FindSentOutcome> {
  if (!connector.findSent)
    return { outcome: 'unknown', reason: 'The answer was lost, and this network cannot be asked.' }
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    return await connector.findSent(opened, prepared, connectorContext(ctx, channel, CALL_TIMEOUT_MS))
  } catch (error) {
    ctx.logger.warn({ err: error, channel_id: channel.id }, 'look-up failed')
    return { outcome: 'unknown', reason: 'The network could not be asked.' }
  }
}

async function finish(
  ctx: WorkerContext,
  channel: Channel,
  attempt: Attempt,
  outcome: SendOutcome,
  connector: Connector,
): Promise<string> {
  const { workspace_id } = channel
  const result: ReplyOutcome =
    outcome.outcome === 'unknown'
      ? { ...outcome, look_again_at: connector.findSent ? nextLook(ctx.now(), attempt.looks) : null }
      : outcome
  const next = await ctx.db.inWorkspace(workspace_id, trx => finishSendAttempt(trx, attempt, result, ctx.now()))
  ctx.wakeUps.publish(workspace_id)
  if (next) ctx.hints.send({ workspace_id, message_id: next })
  return outcome.outcome
}

/** 5 s after the first doubt, then ever later: networks show a post some time after they took it. */
function nextLook(now: Date, looks: number): Date | null {
  return looks >= MAX_LOOKS ? null : new Date(now.getTime() + 5_000 * 2 ** looks)
}
