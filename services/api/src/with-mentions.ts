import { listMentionsOf, type Message, type Trx } from '@parley/db'

/** Messages with those who are mentioned in them: one query for all notes, and none where there is no note. */
export async function withMentions<T extends Pick<Message, 'id' | 'kind'>>(trx: Trx, messages: T[]) {
  const notes = messages.filter(message => message.kind === 'note').map(message => message.id)
  const found = await listMentionsOf(trx, notes)
  return messages.map(message =>
    message.kind === 'note'
      ? { ...message, mentions: found.filter(mention => mention.message_id === message.id) }
      : message,
  )
}
