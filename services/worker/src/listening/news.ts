import { setTimeout as delay } from 'node:timers/promises'
import { findChannel, hastenPollTurn } from '@parley/db'
import type { WorkerContext } from '../context.ts'

/** A storm of news makes at most one poll in this time. */
const DISTANCE_MS = 1_000

type Subject = { workspace_id: string; channel_id: string }

/**
 * Makes a channel's poll due whenever there is news, and hints it. News during a poll is told once that poll is over:
 * it may have read past it.
 */
export function newsOf(ctx: WorkerContext, subject: Subject, signal: AbortSignal): () => void {
  let waiting = false
  let telling = false
  const tellAll = async () => {
    while (waiting && !signal.aborted) {
      waiting = false
      // The next round of polls reads it if the database is away.
      const told = await hasten(ctx, subject).catch(() => true)
      waiting ||= !told
      await delay(DISTANCE_MS, undefined, { signal }).catch(() => {})
    }
    telling = false
  }
  return () => {
    waiting = true
    if (telling || signal.aborted) return
    telling = true
    void tellAll()
  }
}

/** False while somebody polls the channel. */
async function hasten(ctx: WorkerContext, { workspace_id, channel_id }: Subject): Promise<boolean> {
  const now = ctx.now()
  const channel = await ctx.db.inWorkspace(workspace_id, async trx => {
    await hastenPollTurn(trx, channel_id, now, { head_due_at: now })
    return findChannel(trx, channel_id)
  })
  if (channel?.status !== 'active') return true
  if (channel.poll_turn !== null && channel.next_poll_at && channel.next_poll_at > now) return false
  // Whether it may be asked now is the poll's own business.
  ctx.hints.poll({ workspace_id, channel_id })
  return true
}
