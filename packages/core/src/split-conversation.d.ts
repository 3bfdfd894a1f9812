import { type Trx } from '@parley/db'
import { type Actor } from '@parley/domain'
export type ConversationSplit = {
  message_ids: string[]
  /** Along with everything that answers them there. */
  with_replies: boolean
  /** That of the old one when absent. */
  subject?: string | null | undefined
}
/**
 * Moves messages into a new conversation that nobody owns. What customers answer to them later goes there, everything else
 * of the thread stays with the old one. A wait goes with the message that began it; who has unanswered messages in both
 * waits in both, each since the oldest of them.
 * @returns the id of the new one
 * @throws NotFound, ConversationMerged, or DomainError `version_mismatch`, `validation_failed` for a message that stands
 *   elsewhere, or where nothing would be left
 */
export declare function splitConversation(
  trx: Trx,
  id: string,
  split: ConversationSplit,
  expected_version: number,
  actor: Actor,
  now: Date,
): Promise<string>
