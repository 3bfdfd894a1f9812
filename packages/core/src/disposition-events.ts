import type { JudgedMessage, Message, NewEvent } from '@parley/db'
import type { Actor } from '@parley/domain'

/** What the log says of messages of which something else has become now. Those that are as they were are left out. */
export function dispositionEvents(judged: JudgedMessage[], actor: Actor, now: Date): NewEvent[] {
  return judged
    .filter(({ disposition, was_disposition }) => disposition !== was_disposition)
    .map(({ id, conversation_id, contact_id, disposition, was_disposition }) => ({
      type: 'message.disposition_changed',
      at: now,
      actor,
      conversation_id,
      data: { message_id: id, contact_id, disposition },
      previous: { disposition: was_disposition },
    }))
}

/** One message, as it was and as it is. */
export const judgedAs = (before: Message, after: Message): JudgedMessage => ({
  ...after,
  was_disposition: before.disposition,
})
