import {
  type EventRow,
  indexContacts,
  indexMessages,
  indexSubjects,
  listDocumentsAround,
  listMessageIds,
  type Trx,
} from '@parley/db'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SAYS_SOMETHING = /^(message|note|reply|action|attachment)\./
/** In one statement. */
const BATCH = 5_000

/**
 * Brings the search index level with what these events are about, as it stands now: events that come late, twice or in
 * another order leave the same index behind.
 */
export async function indexEvents(trx: Trx, events: EventRow[]): Promise<void> {
  const messages = new Set<string>()
  const conversations = new Set<string>()
  const contacts = new Set<string>()
  const erased = new Set<string>()
  const movedInto = new Set<string>()
  for (const event of events) {
    const data = (event.data ?? {}) as Record<string, unknown>
    if (SAYS_SOMETHING.test(event.type)) addIds(messages, data.message_id)
    if (/^(message|conversation)\./.test(event.type)) addIds(conversations, event.conversation_id)
    if (/^conversation\.(merged|split)$/.test(event.type)) addIds(movedInto, data.into_id)
    if (event.actor_type === 'contact' && event.type.startsWith('message.')) addIds(contacts, event.actor_id)
    if (event.type.startsWith('contact.')) {
      for (const id of [data.contact_id, data.contact_ids]) {
        addIds(contacts, id)
        if (event.type === 'contact.erased') addIds(erased, id)
      }
    }
  }
  for (const id of await listMessageIds(trx, [...movedInto])) messages.add(id)
  // Who is erased leaves no trace in what others answered either.
  const around = await listDocumentsAround(trx, [...erased])
  for (const id of around.messages) messages.add(id)
  for (const id of around.conversations) conversations.add(id)
  await inBatches([...messages], ids => indexMessages(trx, ids))
  await inBatches([...conversations], ids => indexSubjects(trx, ids))
  await inBatches([...contacts], ids => indexContacts(trx, ids))
}

async function inBatches(ids: string[], work: (ids: string[]) => Promise<void>): Promise<void> {
  for (let first = 0; first < ids.length; first += BATCH) await work(ids.slice(first, first + BATCH))
}

function addIds(ids: Set<string>, value: unknown): void {
  for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'string' && UUID.test(id)) ids.add(id)
}
