import { appendEvents, type Frozen, type MessageBatch, setFrozen, type Trx } from '@parley/db'
import { batchEvent } from './batch-event.ts'
import { addResults, NO_RESULTS } from './record-results.ts'

/** Lets a batch begin whose messages are written down. One in which nothing is to be done has finished at once. */
export async function beginBatch(trx: Trx, id: string, frozen: Frozen, now: Date): Promise<MessageBatch> {
  const { refused, ...fixed } = frozen
  const batch = await setFrozen(trx, id, fixed)
  const { selection, more } = batch
  await appendEvents(trx, [batchEvent('message_batch.created', batch, { selection, more }, now)])
  return addResults(trx, batch, { ...NO_RESULTS, refused }, null, now)
}
