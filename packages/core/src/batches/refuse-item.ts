import { claimBatch, listPendingItems, type Trx } from '@parley/db'
import { orderOf } from './advance-batch.ts'
import { recordResults } from './record-results.ts'

/** Refuses the next message of a batch, which cannot be handled at all, so that the others go on. */
export async function refuseItem(trx: Trx, id: string, message_id: string, now: Date): Promise<void> {
  const batch = await claimBatch(trx, id)
  if (!batch) return
  const [item] = await listPendingItems(trx, batch, orderOf(batch), 1)
  // Another worker has gone on meanwhile.
  if (item?.message_id !== message_id) return
  const { dismissal } = item
  const why = { code: 'failed', detail: 'It could not be handled; the log of the worker says why.' }
  await recordResults(trx, batch, [{ message_id, result: 'refused', ...why, action_id: null, dismissal }], now)
}
