import {
  type Channel,
  type Conversation,
  findMessage,
  insertVersions,
  type Message,
  type MessageAction,
  type NewEvent,
  settleAnswers,
  type Trx,
  updateMessage,
} from '@parley/db'
import { dispositionEvents, judgedAs } from './disposition-events.ts'
import { endFlag } from './flag-message.ts'
import { releaseWait } from './release-wait.ts'
import { restoreWaits } from './restore-waits.ts'

type Done = { channel: Channel; conversation: Conversation; message: Message; action: MessageAction }

/** Shows here what the network has accepted there. The echo of it, when one comes, then finds it done. */
export async function applyAction(
  trx: Trx,
  { channel, conversation, message, action }: Done,
  accepted_at: Date,
  now: Date,
): Promise<NewEvent[]> {
  const actor = { type: action.actor_type, id: action.actor_id }
  const event = { at: now, actor, conversation_id: conversation.id }
  const data = { message_id: message.id, external_id: message.external_id }
  switch (action.verb) {
    case 'like':
    case 'unlike': {
      const after = await updateMessage(trx, message.id, { liked_at: action.verb === 'like' ? accepted_at : null })
      return dispositionEvents([judgedAs(message, after)], actor, now)
    }
    case 'hide': {
      const after = await updateMessage(trx, message.id, { hidden_at: accepted_at })
      const events = dispositionEvents([judgedAs(message, after)], actor, now)
      events.push(...(await releaseWait(trx, channel, after, 'hidden', now, actor)))
      return [...events, ...(await endFlag(trx, after, { outcome: 'hidden', at: accepted_at }, actor, now))]
    }
    case 'unhide': {
      await updateMessage(trx, message.id, { hidden_at: null })
      // Whoever was answered meanwhile was answered this as well.
      await settleAnswers(trx, conversation.id, [message.id])
      const after = (await findMessage(trx, message.id))!
      const events = dispositionEvents([judgedAs(message, after)], actor, now)
      return [...events, ...(await restoreWaits(trx, channel, conversation, [after], now))]
    }
    case 'delete': {
      if (message.deleted_at) return []
      await updateMessage(trx, message.id, { deleted_at: accepted_at })
      return [{ ...event, type: 'message.deleted', data: { ...data, deleted_at: accepted_at } }]
    }
    case 'edit': {
      const { id, version_at, body, body_html, body_marks, received_at } = message
      await insertVersions(trx, [{ message_id: id, version_at, body, body_html, body_marks, received_at }])
      const edited = { body: action.body!, body_html: null, body_marks: [], version_at: accepted_at }
      await updateMessage(trx, id, { ...edited, edited_at: accepted_at })
      return [{ ...event, type: 'message.updated', data: { ...data, version_at: accepted_at } }]
    }
    default:
      return action.verb satisfies never
  }
}
