import { storableText } from '@parley/core'
import {
  appendEvents,
  type EventPosition,
  type EventRow,
  failAgain,
  insertFeedFailure,
  isConnectionLost,
  lockFeedCursor,
  moveFeedCursor,
  newId,
  recordFeedTrouble,
  sqlState,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from '../context.ts'

/** From one try to the next of an event that stands alone; after the last one it is set aside. */
const PAUSES_MS = [1_000, 5_000]
const MAX_REASON_LENGTH = 1_000

type Place = { workspace_id: string; consumer: string }

/**
 * Counts the failure of an event that stood alone, in a transaction of its own, or sets it aside when it was the last
 * try. Only what was seen to fail counts: the death of a worker uses up no try. True when the consumer is past it.
 */
export async function blameFeedEvent(
  ctx: WorkerContext,
  { workspace_id, consumer }: Place,
  after: EventPosition,
  event: EventRow,
  error: unknown,
): Promise<boolean> {
  const now = ctx.now()
  const reason = reasonOf(error)
  ctx.logger.warn({ err: error, consumer, event_id: event.id, workspace_id }, 'event failed in a feed')
  const skipped = await ctx.db.inWorkspace(workspace_id, async trx => {
    const cursor = await lockFeedCursor(trx, consumer)
    // Another worker has gone on meanwhile.
    if (!cursor || cursor.xact !== after.xact || cursor.seq !== after.seq) return false
    const attempts = cursor.attempts + 1
    const pause = PAUSES_MS[cursor.attempts]
    if (pause !== undefined) {
      await recordFeedTrouble(trx, consumer, { attempts, error: reason, retry_at: new Date(now.getTime() + pause) })
      return false
    }
    const id = newId(now)
    const { xact, seq, id: event_id, type: event_type, conversation_id } = event
    const what = { consumer, event_id, event_type }
    const failure = {
      ...what,
      id,
      xact,
      seq,
      conversation_id,
      state: 'failed',
      attempts,
      error: reason,
      failed_at: now,
    }
    await insertFeedFailure(trx, failure)
    await moveFeedCursor(trx, consumer, { to: event, handled: 0 }, now)
    // A consumer that chokes on this very event would otherwise choke for ever.
    if (event_type.startsWith('feed.')) return true
    const data = { failure_id: id, ...what, reason }
    await appendEvents(trx, [{ type: 'feed.skipped', at: now, actor: SYSTEM, conversation_id, data }])
    return true
  })
  if (skipped) {
    ctx.metrics.countFeedEvents(consumer, 'skipped', 1)
    ctx.wakeUps.publish(workspace_id)
  }
  return skipped
}

/** A person wanted it tried again, and it failed again. */
export async function blameRetry(
  ctx: WorkerContext,
  { workspace_id, consumer }: Place,
  failure_id: string,
  error: unknown,
): Promise<void> {
  ctx.logger.warn({ err: error, consumer, failure_id, workspace_id }, 'event failed again in a feed')
  await ctx.db.inWorkspace(workspace_id, trx => failAgain(trx, failure_id, reasonOf(error)))
}

/**
 * The database is away, full, shutting down or busy, or a try got in the way of another: no event is to blame. A
 * statement that took too long (57014) is blamed on its event, which would hold up the feed for ever otherwise.
 */
export function isDatabaseAway(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return /^(08|40|53|55|58|57P)/.test(state)
  return error instanceof Error && isConnectionLost(error)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? storableText(error.message).slice(0, MAX_REASON_LENGTH) || error.name : 'unknown'
}
