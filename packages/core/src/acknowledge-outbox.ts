import { findMessage, lockConversationOf, lockMessage, type Message, type Trx } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { isTaken, recordReplyOutcome } from './record-reply-outcome.ts'

export type OutboxAcknowledgement =
  | { external_id: string; permalink?: string | undefined }
  | { rejected_reason: string }

/**
 * An integration says what became of a reply it fetched. Saying the same again changes nothing.
 * @throws NotFound, or DomainError `conflict` when something else was said before
 */
export async function acknowledgeOutbox(
  trx: Trx,
  channel_id: string,
  message_id: string,
  acknowledgement: OutboxAcknowledgement,
  now: Date,
): Promise<Message> {
  const found = await findMessage(trx, message_id)
  if (found?.channel_id !== channel_id || found.direction !== 'outbound') throw new NotFound('message')
  const conversation = await lockConversationOf(trx, found.id)
  const message = (await lockMessage(trx, message_id))!
  if (message.state !== 'queued') {
    const same =
      'external_id' in acknowledgement
        ? message.state === 'sent' && message.external_id === boundedKey(acknowledgement.external_id)
        : message.state === 'rejected'
    if (same) return message
    throw new DomainError('conflict', `The reply is already ${message.state}.`)
  }
  if ('external_id' in acknowledgement && (await isTaken(trx, message, boundedKey(acknowledgement.external_id)))) {
    throw new DomainError('conflict', 'Another message of this channel has that external_id.')
  }
  const outcome =
    'external_id' in acknowledgement
      ? {
          outcome: 'sent' as const,
          external_id: acknowledgement.external_id,
          permalink: acknowledgement.permalink ?? null,
          accepted_at: now,
        }
      : { outcome: 'rejected' as const, reason: acknowledgement.rejected_reason }
  return recordReplyOutcome(trx, conversation, message, outcome, now)
}
