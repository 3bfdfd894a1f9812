import { storable } from '../text/storable.ts'
import type { MessageEvent } from './schemas.ts'

/**
 * Which thread a message belongs to, told by the message alone, so that it does not matter what came before it: the
 * thread its sender names, else the one its parent begins, else its own.
 */
export function threadKey(data: Pick<MessageEvent['data'], 'thread_id' | 'parent_id' | 'external_id'>): string {
  return storable(data.thread_id ?? data.parent_id ?? data.external_id)
}
