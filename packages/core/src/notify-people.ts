import {
  appendEvents,
  type EventRow,
  insertNotifications,
  listMentionsOf,
  listWatching,
  type Notification,
  newId,
  type Trx,
} from '@parley/db'
import { type Actor, SYSTEM } from '@parley/domain'
import { whomClocksConcern } from './tell-of-clocks.ts'
import { watchConversations } from './watch-conversation.ts'

type Kind = Notification['kind']
/** An event that somebody may be told of. `to`: who; `watchers`: whoever watches the conversation at that moment. */
type News = { event: EventRow; conversation_id: string; kind: Kind; to: string[] | 'watchers' }
type Data = { [name in 'assignee_id' | 'asker_id' | 'message_id' | 'task_id' | 'clock_id' | 'history']?: unknown }

/**
 * Tells people what these events mean to them: each event once, never their own acts, and only those who see the
 * conversation now. Who owned a conversation and does not any more watches it from then on.
 * Returns how many notifications were written.
 */
export async function notifyPeople(trx: Trx, events: EventRow[], now: Date): Promise<number> {
  await watchAfterOwning(trx, events)
  const news = await readNews(trx, events)
  const asked = news.flatMap(({ to, conversation_id }) => (to === 'watchers' ? conversation_id : []))
  const watching = await listWatching(trx, [...new Set(asked)])
  const rows = news.flatMap(({ event, conversation_id, kind, to }) => {
    const people =
      to === 'watchers'
        ? watching.flatMap(watcher =>
            watcher.conversation_id === conversation_id && watcher.watched_at <= event.at ? watcher.user_id : [],
          )
        : to
    const { message_id, task_id, clock_id } = event.data as Data
    return [...new Set(people)]
      .filter(user_id => !(event.actor_type === 'user' && event.actor_id === user_id))
      .map(user_id => ({
        user_id,
        event_id: event.id,
        kind,
        conversation_id,
        message_id: textOrNull(message_id),
        task_id: textOrNull(task_id),
        clock_id: textOrNull(clock_id),
        actor_type: event.actor_type,
        actor_id: event.actor_id,
        at: event.at,
      }))
  })
  // Ids of one moment have no order of their own: what happened first is listed first.
  const ids = rows.map(() => newId(now)).sort()
  const told = await insertNotifications(
    trx,
    rows.map((row, index) => ({ id: ids[index]!, ...row })),
  )
  await appendEvents(
    trx,
    told.map(({ id, user_id, kind, conversation_id }) => ({
      type: 'notification.created' as const,
      at: now,
      actor: SYSTEM,
      // Not of the conversation, whose events others read.
      data: { notification_id: id, user_id, kind, conversation_id },
    })),
  )
  return told.length
}

async function readNews(trx: Trx, events: EventRow[]): Promise<News[]> {
  const notes = events.filter(event => event.type === 'note.created')
  const mentions = await listMentionsOf(
    trx,
    notes.flatMap(({ data }) => textOrNull((data as Data).message_id) ?? []),
  )
  const concerned = await whomClocksConcern(trx, events)
  return events.flatMap(event => {
    const { conversation_id } = event
    if (!conversation_id) return []
    const told = (kind: Kind, to: News['to']): News[] => [{ event, conversation_id, kind, to }]
    const { assignee_id, asker_id, message_id, history } = event.data as Data
    switch (event.type) {
      case 'note.created': {
        const named = mentions.filter(mention => mention.message_id === message_id)
        return told(
          'mentioned',
          named.map(({ user_id }) => user_id),
        )
      }
      case 'conversation.assigned':
        return told('assigned', textsOf(assignee_id))
      case 'conversation.unassigned':
        return told('unassigned', textsOf(ownerBefore(event)))
      case 'conversation.resolved':
        return told('resolved', 'watchers')
      case 'conversation.reopened':
        return told('reopened', 'watchers')
      case 'message.received':
        return history ? [] : told('customer_message', 'watchers')
      case 'task.due':
        return told('task_due', textsOf(assignee_id))
      case 'expert_link.answered':
        return told('expert_answered', textsOf(asker_id))
      case 'sla.warned':
        return told('sla_warned', concerned.get(event.id) ?? [])
      case 'sla.breached':
        return told('sla_breached', concerned.get(event.id) ?? [])
      default:
        return []
    }
  })
}

/** In the order of the events, and as of their time: what came before is not theirs to be told. */
async function watchAfterOwning(trx: Trx, events: EventRow[]): Promise<void> {
  for (const event of events) {
    const { conversation_id, actor_type, actor_id } = event
    if (!conversation_id || !/^conversation\.(un)?assigned$/.test(event.type)) continue
    const actor = { type: actor_type, id: actor_id } as Actor
    for (const user_id of textsOf(ownerBefore(event))) {
      await watchConversations(trx, [{ conversation_id, user_id }], 'owned', actor, event.at)
    }
  }
}

const ownerBefore = ({ previous }: EventRow) => (previous as { assignee_id?: unknown } | null)?.assignee_id
const textOrNull = (value: unknown) => (typeof value === 'string' ? value : null)
const textsOf = (value: unknown) => (typeof value === 'string' ? [value] : [])
