import type { batchItemView, messageBatchView } from '@parley/contracts'
import { countActionStates, type MessageBatch, type ReadItem, type Trx } from '@parley/db'
import { isNetworkAction } from '@parley/domain'
import type { z } from 'zod'

type BatchView = z.output<typeof messageBatchView>

/** A batch of messages as clients read it. */
export function describeBatch(batch: MessageBatch): BatchView {
  const { created_by_type, created_by_id, total, done, unchanged, refused, ...rest } = batch
  const pending = total - done - unchanged - refused
  return {
    ...rest,
    total,
    counts: { pending, done, unchanged, refused },
    created_by: { type: created_by_type, id: created_by_id },
  }
}

/** With how what it queued for networks stands there. */
export async function describeWithNetwork(trx: Trx, batch: MessageBatch): Promise<BatchView> {
  const view = describeBatch(batch)
  return isNetworkAction(batch.action) ? { ...view, network: await countActionStates(trx, batch.id) } : view
}

export function describeItem(item: ReadItem): z.output<typeof batchItemView> {
  const { action_id, verb, action_state, action_state_reason, action_done_at } = item
  const { message_id, conversation_id, result, code, detail, at } = item
  const action =
    action_id && verb && action_state
      ? { id: action_id, verb, state: action_state, state_reason: action_state_reason, done_at: action_done_at }
      : null
  return { message_id, conversation_id, result, code, detail, at, action }
}
