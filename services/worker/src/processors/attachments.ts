import { channelJob } from '@parley/contracts'
import { claimAttachments } from '@parley/db'
import type { WorkerContext } from '../context.ts'
import { fetchAttachment } from '../fetch-attachment.ts'

export const FETCH_LIMITS = {
  /** A channel's files that are fetched side by side: one that drips keeps a few of its own waiting, and nobody else. */
  at_once: 4,
  /** A channel's turn; others get theirs before it goes on. */
  turn_ms: 2_000,
  /** For all of a file, however slowly it comes. */
  fetch_ms: 2 * 60_000,
  /** Longer than an attempt takes. A worker that dies holds its files up for that long. */
  lease_ms: 5 * 60_000,
}

export type FetchTurn = { fetched: number; ended: 'empty' | 'time' }

/** Fetches files of a channel's messages for one turn, each attempt committed before the network is called. */
export function fetchAttachments(ctx: WorkerContext, limits = FETCH_LIMITS) {
  return async (data: unknown): Promise<FetchTurn> => {
    const { workspace_id, channel_id } = channelJob.parse(data)
    const until = ctx.monotonicMs() + limits.turn_ms
    let fetched = 0
    for (;;) {
      const now = ctx.now()
      const lease_until = new Date(now.getTime() + limits.lease_ms)
      const claimed = await ctx.db.inWorkspace(workspace_id, trx =>
        claimAttachments(trx, channel_id, now, lease_until, limits.at_once),
      )
      const ends = await Promise.allSettled(
        claimed.map(attachment => fetchAttachment(ctx, attachment, limits.fetch_ms)),
      )
      for (const end of ends) if (end.status === 'rejected') throw end.reason
      fetched += claimed.length
      if (claimed.length < limits.at_once) return { fetched, ended: 'empty' }
      if (ctx.monotonicMs() >= until) return { fetched, ended: 'time' }
    }
  }
}

/** Goes on with what is left of a channel, behind the channels that wait. */
export function fetchAttachmentsAfterwards(ctx: WorkerContext) {
  return async (data: unknown, result: unknown): Promise<void> => {
    if ((result as FetchTurn).ended === 'time') ctx.hints.attachments(channelJob.parse(data))
  }
}
