import { type Attachment, appendEvents, findMessage, finishAttachment } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from './context.ts'

/** Between two attempts at a file; after the last one it has failed, about a day after it was first asked for. */
const BACK_OFF_MS = [10, 60, 300, 1_800, 7_200, 21_600, 43_200].map(seconds => seconds * 1_000)
export const MAX_ATTEMPTS = BACK_OFF_MS.length + 1
const POSTPONE_MS = 60_000

/** What came of one attempt at a file. */
export type FetchOutcome =
  | { outcome: 'stored'; blob_key: string; sha256: string; byte_size: number; media_type: string }
  /** It will not be kept. */
  | { outcome: 'refused'; reason: string }
  | { outcome: 'failed'; reason: string }
  /** Its server may have it later, and asks for a wait perhaps. */
  | { outcome: 'retry'; reason: string; after_ms?: number | undefined; max_attempts?: number }
  /** Our own store is to blame: that uses up no attempt. */
  | { outcome: 'postponed'; reason: string }

/** Records what came of an attempt, unless another worker has taken over, and tells the log when that is the end. */
export async function recordFetch(ctx: WorkerContext, attachment: Attachment, result: FetchOutcome): Promise<void> {
  const { workspace_id } = attachment
  const now = ctx.now()
  ctx.metrics.countAttachment(result.outcome)
  const change = changeOf(attachment, result, now)
  const told = await ctx.db.inWorkspace(workspace_id, async trx => {
    const finished = await finishAttachment(trx, attachment, change)
    if (!finished || finished.state === 'pending' || finished.state === 'linked') return false
    const message = (await findMessage(trx, finished.message_id!))!
    const { conversation_id } = message
    const { id: attachment_id, state, media_type, byte_size, reason } = finished
    const data = {
      ...{ attachment_id, message_id: message.id, media_type, byte_size, reason },
      ...(message.from_history ? { history: true } : {}),
    }
    await appendEvents(trx, [{ type: `attachment.${state}`, at: now, actor: SYSTEM, conversation_id, data }])
    return true
  })
  if (told) ctx.wakeUps.publish(workspace_id)
}

function changeOf({ attempts }: Attachment, result: FetchOutcome, now: Date) {
  const { outcome } = result
  switch (outcome) {
    case 'stored': {
      const { blob_key, sha256, byte_size, media_type } = result
      const content = { blob_key, sha256, byte_size, media_type }
      return { ...content, state: outcome, reason: null, next_attempt_at: null }
    }
    case 'refused':
    case 'failed':
      // What its connector stored goes with it.
      return { state: outcome, reason: result.reason, blob_key: null, next_attempt_at: null }
    case 'retry': {
      const { reason, after_ms = 0, max_attempts = MAX_ATTEMPTS } = result
      if (attempts >= max_attempts) return { state: 'failed' as const, reason, next_attempt_at: null }
      const backOff = BACK_OFF_MS[Math.min(attempts, BACK_OFF_MS.length) - 1]!
      return { reason, next_attempt_at: laterBy(now, Math.max(after_ms, backOff)) }
    }
    case 'postponed':
      return { reason: result.reason, attempts: attempts - 1, next_attempt_at: laterBy(now, POSTPONE_MS) }
    default:
      return result satisfies never
  }
}

const laterBy = (now: Date, ms: number) => new Date(now.getTime() + ms)
