import {
  appendEvents,
  deleteWatcher,
  findConversation,
  insertWatchers,
  lockWorksIn,
  type Trx,
  type WatchReason,
} from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'

/** Lets somebody watch a conversation; who does already goes on. @throws NotFound also for who does not work in its inbox */
export async function watchConversation(trx: Trx, id: string, user_id: string, actor: Actor, now: Date): Promise<void> {
  const conversation = await findConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  if (!(await lockWorksIn(trx, user_id, conversation.inbox_id))) throw new NotFound('user')
  await watchConversations(trx, [{ conversation_id: id, user_id }], 'by_hand', actor, now)
}

/** Lets people watch, those of them who see the conversation. */
export async function watchConversations(
  trx: Trx,
  watchers: { conversation_id: string; user_id: string }[],
  reason: WatchReason,
  actor: Actor,
  now: Date,
): Promise<void> {
  const added = await insertWatchers(
    trx,
    watchers.map(watcher => ({ ...watcher, reason, watched_at: now })),
  )
  await appendEvents(
    trx,
    added.map(({ conversation_id, user_id }) => ({
      type: 'conversation.watched' as const,
      at: now,
      actor,
      conversation_id,
      data: { user_id, reason },
    })),
  )
}

/** Ends somebody's watching; who does not watch changes nothing. */
export async function unwatchConversation(
  trx: Trx,
  conversation_id: string,
  user_id: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  if (!(await findConversation(trx, conversation_id))) throw new NotFound('conversation')
  if (!(await deleteWatcher(trx, conversation_id, user_id))) return
  await appendEvents(trx, [{ type: 'conversation.unwatched', at: now, actor, conversation_id, data: { user_id } }])
}
