import { appendEvents, insertMessage, lockConversation, type Message, newId, type Trx } from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'

/** Keeps a note that only the team sees. It never leaves, and it answers nobody. */
export async function addNote(
  trx: Trx,
  note: { conversation_id: string; author: Actor & { type: 'user' | 'api_key' }; body: string },
  now: Date,
): Promise<Message> {
  const conversation = await lockConversation(trx, note.conversation_id)
  if (!conversation) throw new NotFound('conversation')
  const message = await insertMessage(trx, {
    id: newId(now),
    conversation_id: conversation.id,
    channel_id: conversation.channel_id,
    direction: 'internal',
    kind: 'note',
    visibility: 'private',
    state: 'stored',
    author_type: note.author.type,
    author_id: note.author.id,
    body: note.body,
    occurred_at: now,
    received_at: now,
    processed_at: now,
    version_at: now,
  })
  const data = { message_id: message.id }
  await appendEvents(trx, [
    { type: 'note.created', at: now, actor: note.author, conversation_id: conversation.id, data },
  ])
  return message
}
