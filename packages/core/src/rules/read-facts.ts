import {
  type Conversation,
  type EventRow,
  listChannelKinds,
  listConversationsByIds,
  listMessageFacts,
  listPersonFacts,
  listSurging,
  listTagsOf,
  lockConversations,
  type PersonFacts,
  type Trx,
} from '@parley/db'
import { type ConversationAction, type RuleFacts, type RuleField, searchKey } from '@parley/domain'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What stands around a page of events. */
export type Surroundings = {
  conversations: Map<string, Conversation>
  factsOf: (event: EventRow, now: Date) => RuleFacts | undefined
  /** Makes them level with what these actions left behind, so that the next rule sees it. */
  reread: (trx: Trx, event: EventRow, after: Conversation, actions: ConversationAction[]) => Promise<void>
}

/**
 * Reads what rules ask about these events, with as many statements for one event as for a page of them, and none for what
 * nobody asks.
 */
export async function readSurroundings(
  trx: Trx,
  events: EventRow[],
  asked: ReadonlySet<RuleField>,
  now: Date,
  { lock }: { lock: boolean },
): Promise<Surroundings> {
  const ids = unique(events.map(event => event.conversation_id))
  const found = lock ? await lockConversations(trx, ids) : await listConversationsByIds(trx, ids)
  const conversations = new Map<string, Conversation>(found.map(row => [row.id, row]))
  const idsFor = (fields: RuleField[], of: () => (string | null)[]) =>
    fields.some(field => asked.has(field)) ? unique(of()) : []
  const [kinds, tags, messages, people, surging] = await Promise.all([
    listChannelKinds(
      trx,
      idsFor(['channel_kind'], () => found.map(({ channel_id }) => channel_id)),
    ),
    readTags(
      trx,
      idsFor(['tag'], () => ids),
    ),
    listMessageFacts(
      trx,
      OF_MESSAGES.some(field => asked.has(field))
        ? unique(events.map(messageOf))
        : unique(events.filter(isJudgement).map(messageOf)),
    ),
    listPersonFacts(
      trx,
      idsFor(['do_not_contact', 'contact_attributes'], () => found.map(({ contact_id }) => contact_id)),
    ),
    listSurging(
      trx,
      idsFor(['post_surging'], () => found.map(({ post_id }) => post_id)),
      now,
    ),
  ])
  const kindOf = new Map(kinds.map(({ id, kind }) => [id, kind]))
  const messageFacts = new Map(messages.map(one => [one.id, one]))
  const personOf = new Map<string | null, PersonFacts>(people.map(one => [one.id, one]))
  const surges = new Set<string | null>(surging)

  const factsOf = (event: EventRow, now: Date): RuleFacts | undefined => {
    const conversation = conversations.get(event.conversation_id ?? '')
    if (!conversation) return undefined
    const data = (event.data ?? {}) as Record<string, unknown>
    const previous = (event.previous ?? {}) as Record<string, unknown>
    const said = messageFacts.get(messageOf(event) ?? '')
    if (isJudgement(event) && said?.from_history) return undefined
    const person = personOf.get(conversation.contact_id)
    const { inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since, post_id } = conversation
    return {
      event_type: event.type,
      changed: changedIn(previous),
      previous_status: textOf(previous.status),
      ...{ inbox_id, channel_id, status, priority, assignee_id, team_id, post_id },
      channel_kind: kindOf.get(channel_id) ?? '',
      language: textOf(data.language) ?? conversation.language,
      tags: tags.get(conversation.id) ?? [],
      do_not_contact: person?.do_not_contact ?? false,
      waiting_seconds: waiting_since && (now.getTime() - waiting_since.getTime()) / 1000,
      attributes: conversation.attributes as Record<string, unknown>,
      contact_attributes: person?.attributes ?? {},
      post_surging: surges.has(post_id),
      text: said?.body ?? null,
      first_message: said?.first ?? null,
      disposition: said?.disposition ?? null,
      question: typeof data.question === 'boolean' ? data.question : null,
      sentiment: textOf(data.sentiment),
      kind: textOf(data.kind),
      proposed_priority: textOf(data.proposed_priority),
      proposed_disposition: textOf(data.proposed_disposition),
    }
  }

  const reread: Surroundings['reread'] = async (trx, event, after, actions) => {
    conversations.set(after.id, after)
    const did = (pattern: RegExp) => actions.some(({ type }) => pattern.test(type))
    if (did(/_tag$/) && asked.has('tag')) tags.set(after.id, (await readTags(trx, [after.id])).get(after.id) ?? [])
    const message_id = messageOf(event)
    if (!message_id || !did(/^dismiss$/) || !messageFacts.has(message_id)) return
    for (const facts of await listMessageFacts(trx, [message_id])) messageFacts.set(message_id, facts)
  }
  return { conversations, factsOf, reread }
}

/** Such an event tells not whether its message is history, which starts nothing. */
const isJudgement = ({ type }: EventRow) => type === 'message.disposition_changed'

const OF_MESSAGES: RuleField[] = ['text_contains', 'text_has_words', 'first_message', 'disposition']

function changedIn(previous: Record<string, unknown>): string[] {
  const attributes = Object.keys((previous.attributes ?? {}) as Record<string, unknown>)
  return [...Object.keys(previous), ...attributes.map(key => `attributes.${key}`)]
}

/** The tags of these conversations as conditions compare them. */
async function readTags(trx: Trx, conversation_ids: string[]): Promise<Map<string, string[]>> {
  const tags = new Map<string, string[]>()
  if (conversation_ids.length === 0) return tags
  for (const { conversation_id, name } of await listTagsOf(trx, conversation_ids))
    tags.set(conversation_id, [...(tags.get(conversation_id) ?? []), searchKey(name)])
  return tags
}

/** The message that an event is about. */
export function messageOf({ data }: EventRow): string | null {
  const id = (data as { message_id?: unknown } | null)?.message_id
  return typeof id === 'string' && UUID.test(id) ? id : null
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : null)
const unique = (ids: (string | null)[]) => [...new Set(ids.filter(id => id !== null))]
