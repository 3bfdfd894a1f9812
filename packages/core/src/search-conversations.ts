import {
  type ConversationFilter,
  type ConversationWithContact,
  listConversationsByIds,
  type SearchFilter,
  type Trx,
} from '@parley/db'
import { type ResolvedSearch, resolveSearch, type SearchScope } from './resolve-search.ts'
import { type SearchPosition, type SearchSort, searchDocuments } from './search-documents.ts'

/**
 * Conversations in which a message, a note or the subject matches, each once: by its newest match, or by relevance.
 * @throws DomainError `validation_failed`
 */
export async function searchConversations(
  trx: Trx,
  text: string,
  scope: SearchScope,
  narrowed: ConversationFilter,
  page: { sort: SearchSort; limit: number; after?: SearchPosition | undefined },
  now: Date,
): Promise<{ data: ConversationWithContact[]; next: SearchPosition | null }> {
  const { filter, before } = await resolveSearch(trx, text, scope)
  const once_until = before ?? page.after?.as_of ?? now
  const resolved: ResolvedSearch = {
    filter: { ...narrow(filter, narrowed), kinds: ['message', 'note', 'subject'], once_until },
    before,
  }
  const { hits, next } = await searchDocuments(trx, resolved, page, now)
  const found = await listConversationsByIds(
    trx,
    hits.map(({ conversation_id }) => conversation_id),
  )
  return { data: found, next }
}

/** What the list's own parameters ask for besides; both have to hold. */
function narrow(filter: SearchFilter, { status, inbox_ids, ...listed }: ConversationFilter): SearchFilter {
  const both = <T>(a: T[] | undefined, b: T[] | undefined): T[] | undefined =>
    a && b ? a.filter(value => b.includes(value)) : (a ?? b)
  const tag_ids = [...(filter.listed?.tag_ids ?? []), ...(listed.tag_ids ?? [])]
  return {
    ...filter,
    statuses: both(filter.statuses, status),
    wanted_inbox_ids: both(filter.wanted_inbox_ids, inbox_ids),
    listed: { ...listed, tag_ids },
  }
}
