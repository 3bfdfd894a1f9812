import {
  appendEvents,
  insertMentions,
  insertMessage,
  listMentionable,
  lockConversation,
  type Mentioned,
  type Message,
  newId,
  type Trx,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { keepClaim } from './claim-lease.ts'
import { watchConversations } from './watch-conversation.ts'

/** Who is to be mentioned: people, and teams of whom those are meant who see the inbox. */
export type Mentions = { user_ids: string[]; team_ids: string[] }
export type NoteDraft = {
  conversation_id: string
  author: Actor & { type: 'user' | 'api_key' | 'rule' | 'expert' }
  body: string
  mentions?: Mentions | undefined
}

/**
 * Keeps a note that only the team sees. It never leaves, and it answers nobody. Who is mentioned watches the conversation
 * from then on.
 * @throws NotFound, or DomainError `validation_failed` naming a person, or a team with nobody in it, who does not work in
 *   the inbox
 */
export async function addNote(trx: Trx, note: NoteDraft, now: Date): Promise<Message & { mentions: Mentioned[] }> {
  const conversation = await lockConversation(trx, note.conversation_id)
  if (!conversation) throw new NotFound('conversation')
  await keepClaim(trx, conversation, note.author, now)
  const mentions = note.mentions ? await findMentioned(trx, conversation.inbox_id, note.mentions) : []
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
  const { id: message_id, conversation_id } = message
  await insertMentions(
    trx,
    mentions.map(mention => ({ ...mention, message_id, conversation_id, mentioned_at: now })),
  )
  const data = { message_id, ...(mentions.length > 0 ? { mentions } : {}) }
  await appendEvents(trx, [{ type: 'note.created', at: now, actor: note.author, conversation_id, data }])
  const watchers = mentions.map(({ user_id }) => ({ conversation_id, user_id }))
  await watchConversations(trx, watchers, 'mentioned', note.author, now)
  return { ...message, mentions }
}

/** Each person once, by name rather than with a team. */
async function findMentioned(trx: Trx, inbox_id: string, named: Mentions): Promise<Mentioned[]> {
  const found = await listMentionable(trx, inbox_id, named)
  const refuse = (field: keyof Mentions, ids: string[]) => {
    if (ids.length === 0) return
    const what = field === 'user_ids' ? 'somebody who does' : 'a team of whom nobody does'
    throw new DomainError('validation_failed', `mentions names ${what} not work in this inbox.`, { [field]: ids })
  }
  const byName = new Set(found.flatMap(({ user_id, team_id }) => (team_id ? [] : user_id)))
  const byTeam = new Set(found.map(({ team_id }) => team_id))
  refuse(
    'user_ids',
    named.user_ids.filter(id => !byName.has(id)),
  )
  refuse(
    'team_ids',
    named.team_ids.filter(id => !byTeam.has(id)),
  )
  const people = new Map<string, Mentioned>()
  for (const mention of found) if (!people.has(mention.user_id)) people.set(mention.user_id, mention)
  return [...people.values()]
}
