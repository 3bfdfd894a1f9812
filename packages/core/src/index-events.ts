import {
  type EventRow,
  indexContacts,
  indexMessages,
  indexSubjects,
  listDocumentsOfContacts,
  type Trx,
} from '@parley/db'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SAYS_SOMETHING = /^(message|note|reply|action|attachment)\./

/**
 * Brings the search index level with what these events are about, as it stands now: events that come late, twice or in
 * another order leave the same index behind.
 */
export async function indexEvents(trx: Trx, events: EventRow[]): Promise<void> {
  const messages = new Set<string>()
  const conversations = new Set<string>()
  const contacts = new Set<string>()
  // Contacts of whom more has changed than their names: merged, parted, erased.
  const people = new Set<string>()
  for (const event of events) {
    const data = (event.data ?? {}) as Record<string, unknown>
    if (SAYS_SOMETHING.test(event.type)) addIds(messages, data.message_id)
    if (/^(message\.|conversation\.)/.test(event.type)) addIds(conversations, event.conversation_id)
    if (event.actor_type === 'contact' && event.type.startsWith('message.')) addIds(contacts, event.actor_id)
    if (event.type.startsWith('contact.')) {
      const named = event.type === 'contact.created' || event.type === 'contact.updated' ? contacts : people
      // However an event calls them: the one it is about, the ones that became part of it.
      for (const [key, value] of Object.entries(data)) if (/contact_ids?$/.test(key)) addIds(named, value)
    }
  }
  for (const id of await listDocumentsOfContacts(trx, [...people])) messages.add(id)
  await Promise.all([
    indexMessages(trx, [...messages]),
    indexSubjects(trx, [...conversations]),
    indexContacts(trx, [...contacts, ...people]),
  ])
}

function addIds(ids: Set<string>, value: unknown): void {
  for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'string' && UUID.test(id)) ids.add(id)
}
