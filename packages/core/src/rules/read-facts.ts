import {
  type Conversation,
  type EventRow,
  listChannelKinds,
  listConversationsByIds,
  listMessageFacts,
  listTagsOf,
  listUnwanted,
  lockConversations,
  type Trx,
} from '@parley/db'
import { type RuleFacts, searchKey } from '@parley/domain'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What stands around a page of events. `conversations` and `tags` are kept level with what rules change. */
export type Surroundings = {
  conversations: Map<string, Conversation>
  tags: Map<string, string[]>
  factsOf: (event: EventRow, now: Date) => RuleFacts | undefined
}

/** Reads what rules may ask about these events, with as many statements for one event as for a page of them. */
export async function readSurroundings(
  trx: Trx,
  events: EventRow[],
  { lock }: { lock: boolean },
): Promise<Surroundings> {
  const ids = unique(events.map(event => event.conversation_id))
  const found = lock ? await lockConversations(trx, ids) : await listConversationsByIds(trx, ids)
  const conversations = new Map<string, Conversation>(found.map(row => [row.id, row]))
  const [kinds, tags, messages, unwanted] = await Promise.all([
    listChannelKinds(trx, unique(found.map(({ channel_id }) => channel_id))),
    readTags(trx, ids),
    listMessageFacts(trx, unique(events.map(messageOf))),
    listUnwanted(trx, unique(found.map(({ contact_id }) => contact_id))),
  ])
  const kindOf = new Map(kinds.map(({ id, kind }) => [id, kind]))
  const message = new Map(messages.map(one => [one.id, one]))
  const shy = new Set(unwanted)

  const factsOf = (event: EventRow, now: Date): RuleFacts | undefined => {
    const conversation = conversations.get(event.conversation_id ?? '')
    if (!conversation) return undefined
    const data = (event.data ?? {}) as Record<string, unknown>
    const previous = (event.previous ?? {}) as Record<string, unknown>
    const said = message.get(messageOf(event) ?? '')
    const { inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since, contact_id } = conversation
    return {
      event_type: event.type,
      changed: Object.keys(previous),
      previous_status: textOf(previous.status),
      ...{ inbox_id, channel_id, status, priority, assignee_id, team_id },
      channel_kind: kindOf.get(channel_id) ?? '',
      language: textOf(data.language) ?? conversation.language,
      tags: tags.get(conversation.id) ?? [],
      do_not_contact: contact_id !== null && shy.has(contact_id),
      waiting_seconds: waiting_since && (now.getTime() - waiting_since.getTime()) / 1000,
      text: said?.body ?? null,
      first_message: said?.first ?? null,
      question: typeof data.question === 'boolean' ? data.question : null,
      sentiment: textOf(data.sentiment),
      kind: textOf(data.kind),
      proposed_priority: textOf(data.proposed_priority),
      proposed_disposition: textOf(data.proposed_disposition),
    }
  }
  return { conversations, tags, factsOf }
}

/** The tags of these conversations as conditions compare them. */
export async function readTags(trx: Trx, conversation_ids: string[]): Promise<Map<string, string[]>> {
  const tags = new Map<string, string[]>()
  if (conversation_ids.length === 0) return tags
  for (const { conversation_id, name } of await listTagsOf(trx, conversation_ids))
    tags.set(conversation_id, [...(tags.get(conversation_id) ?? []), searchKey(name)])
  return tags
}

function messageOf({ data }: EventRow): string | null {
  const id = (data as { message_id?: unknown } | null)?.message_id
  return typeof id === 'string' && UUID.test(id) ? id : null
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : null)
const unique = (ids: (string | null)[]) => [...new Set(ids.filter(id => id !== null))]
