import { appendEvents, type BatchItem, countResults, type MessageBatch, recordItems, type Trx } from '@parley/db'
import type { Actor, ItemResult } from '@parley/domain'
import { actorOf, batchEvent } from './batch-event.ts'

export type ItemOutcome = Omit<BatchItem, 'workspace_id' | 'batch_id' | 'at' | 'result'> & {
  result: Exclude<ItemResult, 'pending'>
}

export const NO_RESULTS = { done: 0, unchanged: 0, refused: 0 }

/** Writes down what became of the next messages of a batch, in their order; the caller holds its lock. */
export async function recordResults(trx: Trx, batch: MessageBatch, outcomes: ItemOutcome[], now: Date) {
  const items = outcomes.map(outcome => ({ batch_id: batch.id, ...outcome, at: now }))
  await recordItems(trx, items as Parameters<typeof recordItems>[1])
  const more = { ...NO_RESULTS }
  for (const { result } of outcomes) more[result] += 1
  return addResults(trx, batch, more, outcomes.at(-1)?.message_id ?? null, now)
}

/** Counts results; the last of them ends the batch, and that is told. */
export async function addResults(
  trx: Trx,
  batch: MessageBatch,
  more: typeof NO_RESULTS,
  reached_id: string | null,
  now: Date,
  actor: Actor = actorOf(batch),
): Promise<MessageBatch> {
  const counted = await countResults(trx, batch.id, more, reached_id, now)
  if (counted.state === 'finished') {
    const { done, unchanged, refused } = counted
    const event = batchEvent('message_batch.finished', counted, { done, unchanged, refused }, now, actor)
    await appendEvents(trx, [event])
  }
  return counted
}
