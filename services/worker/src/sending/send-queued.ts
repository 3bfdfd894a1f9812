import {
  ChannelAuthError,
  NetworkUnavailable,
  networkMessage,
  type OutgoingReply,
  type PreparedSend,
  SendRefused,
} from '@parley/connectors'
import { beginDoubt, beginSendAttempt, closeQueuedReply, openChannel, recordCall, type SendQueued } from '@parley/core'
import { type Channel, listAttachmentsOf } from '@parley/db'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { disableChannel } from '../disable-channel.ts'
import { outgoingAttachments } from '../outgoing-attachments.ts'
import { callNetwork } from './call-network.ts'
import { finish } from './finish.ts'
import { lookUp } from './look-up.ts'
import { postpone } from './postpone.ts'

const PREPARE_MS = 30_000
const MOVED = 'It was queued before this database was restored'

/** Sends a reply that is queued, unless it cannot even be prepared; what is to become of it is then recorded. */
export async function sendQueued(ctx: WorkerContext, task: SendQueued): Promise<string> {
  const { message, channel, distrusted } = task
  const { workspace_id } = message
  const prepared = await prepare(ctx, task)
  if (!prepared) return 'not_prepared'
  const connector = ctx.connectorFor(channel.kind)
  const expected_id = connector.expectedId?.(prepared) ?? null
  const begin = distrusted ? beginDoubt : beginSendAttempt
  const attempt = await ctx.db.inWorkspace(workspace_id, trx =>
    begin(trx, message.id, prepared, expected_id, ctx.now()),
  )
  if (!attempt) return 'not_queued'
  if (distrusted) return lookUp(ctx, { task: 'look_up', message, channel, attempt, distrusted })
  const outcome = await callNetwork(ctx, connector, channel, attempt)
  return finish(ctx, channel, attempt, outcome, connector.findSent !== undefined)
}

async function prepare(ctx: WorkerContext, task: SendQueued): Promise<PreparedSend | undefined> {
  const { message, channel, distrusted } = task
  const { workspace_id } = message
  const connector = ctx.connectorFor(channel.kind)
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    const deadline = new Date(ctx.now().getTime() + PREPARE_MS)
    const reply = await outgoing(ctx, task)
    return (await connector.prepare?.(opened, reply, connectorContext(ctx, channel, deadline))) ?? {}
  } catch (error) {
    if (error instanceof SendRefused) {
      const outcome = distrusted
        ? { outcome: 'unknown' as const, reason: `${MOVED}. ${error.message}`, look_again_at: null }
        : { outcome: 'rejected' as const, reason: error.message }
      await ctx.db.inWorkspace(workspace_id, trx => closeQueuedReply(trx, message.id, outcome, ctx.now()))
      ctx.wakeUps.publish(workspace_id)
      return undefined
    }
    if (error instanceof ChannelAuthError) await disableChannel(ctx, channel, error.message)
    if (error instanceof NetworkUnavailable) await countFailure(ctx, channel)
    await postpone(ctx, workspace_id, message.id, error instanceof NetworkUnavailable ? error.retry_at : null)
    if (!(error instanceof NetworkUnavailable || error instanceof ChannelAuthError)) throw error
    return undefined
  }
}

async function countFailure(ctx: WorkerContext, channel: Channel): Promise<void> {
  const at = { now: ctx.now(), random: ctx.random() }
  await ctx.db.inWorkspace(channel.workspace_id, trx => recordCall(trx, channel, false, at))
}

async function outgoing(ctx: WorkerContext, { message, parent, thread_key }: SendQueued): Promise<OutgoingReply> {
  const { workspace_id, id } = message
  const files = message.has_attachments
    ? await ctx.db.inWorkspace(workspace_id, trx => listAttachmentsOf(trx, [id]))
    : []
  return {
    message_id: message.id,
    text: message.body,
    visibility: message.visibility,
    thread_key,
    queued_at: message.received_at,
    in_reply_to: parent ? networkMessage(parent) : null,
    attachments: outgoingAttachments(ctx.blobs, files),
  }
}
