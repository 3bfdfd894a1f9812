import { type Channel, type Deletion, deleteMessages, type NewEvent, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { dispositionEvents } from './disposition-events.ts'
import { endFlag } from './flag-message.ts'
import { releaseWait } from './release-wait.ts'

/**
 * Takes back what was deleted on its network. A wait that the deleted message had opened goes on from the
 * customer's next unanswered message, or is cancelled when there is none.
 */
export async function applyDeletions(
  trx: Trx,
  channel: Channel,
  deletions: Deletion[],
  now: Date,
): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  for (const message of await deleteMessages(trx, deletions)) {
    events.push({
      type: 'message.deleted',
      at: now,
      actor: message.direction === 'inbound' ? { type: 'contact', id: message.contact_id } : SYSTEM,
      conversation_id: message.conversation_id,
      data: { message_id: message.id, external_id: message.external_id, deleted_at: message.deleted_at },
    })
    events.push(...dispositionEvents([message], SYSTEM, now))
    events.push(...(await releaseWait(trx, channel, message, 'customer_deleted', now)))
    const gone = { outcome: 'deleted' as const, at: message.deleted_at! < now ? message.deleted_at! : now }
    events.push(...(await endFlag(trx, message, gone, SYSTEM, now)))
  }
  return events
}
