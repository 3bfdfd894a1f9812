import {
  allowLongStatements,
  findBatch,
  freezeUndo,
  insertBatch,
  type MessageBatch,
  newId,
  type Reach,
  refuseRest,
  setUndoneBy,
  type Trx,
} from '@parley/db'
import { DomainError, type Member, NotFound, oppositeOf } from '@parley/domain'
import { beginBatch } from './begin-batch.ts'
import { addResults, NO_RESULTS } from './record-results.ts'

/**
 * Makes a batch that takes another one back: what that changed, and only where it is still as that left it. One that goes
 * on is stopped first: what it has not reached is refused.
 * @throws NotFound, or DomainError `conflict` for deletions, and for what is taken back already
 */
export async function undoBatch(trx: Trx, id: string, caller: Reach, author: Member, now: Date): Promise<MessageBatch> {
  // Waits for the part that a worker is at, and nobody begins another one.
  const batch = await findBatch(trx, id, caller, true)
  if (!batch) throw new NotFound('batch')
  const action = oppositeOf(batch.action)
  if (!action) throw new DomainError('conflict', 'What is deleted on a network does not come back.')
  const { undone_by, inbox_ids } = batch
  if (undone_by) throw new DomainError('conflict', 'This batch is taken back already.', { undone_by })
  await allowLongStatements(trx)
  const stopped = batch.state === 'running' ? await stop(trx, batch, author, now) : batch
  const undo = newId(now)
  await insertBatch(trx, {
    id: undo,
    action,
    // Of an undismissal, each message has the reason that its dismissal had.
    reason: null,
    dismissed_as: null,
    state: 'running',
    total: 0,
    inbox_ids,
    created_by_type: author.type,
    created_by_id: author.id,
    undoes: id,
    created_at: now,
  })
  await freezeUndo(trx, batch, undo)
  await setUndoneBy(trx, id, undo)
  return beginBatch(trx, undo, { total: stopped.done, refused: 0, more: false, inbox_ids }, now)
}

async function stop(trx: Trx, batch: MessageBatch, author: Member, now: Date): Promise<MessageBatch> {
  const why = { code: 'undone', detail: 'The batch was taken back before this was its turn.' }
  const refused = await refuseRest(trx, batch.id, why, now)
  return addResults(trx, batch, { ...NO_RESULTS, refused }, null, now, author)
}
