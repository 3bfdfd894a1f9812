import { type FoundMessage, listFoundMessages, PASSAGE_MARKS, type Trx } from '@parley/db'
import { resolveSearch, type SearchScope } from './resolve-search.ts'
import { type SearchPosition, type SearchSort, searchDocuments } from './search-documents.ts'

/** A passage, and where in it the matches are: from `start` to before `end`, in UTF-16 code units. */
export type Snippet = { text: string; matches: { start: number; end: number }[] }

export type MessageResult = Omit<FoundMessage, 'passage'> & { snippet: Snippet }

/**
 * Messages and notes that match a search, a page at a time.
 * @throws DomainError `validation_failed`
 */
export async function searchMessages(
  trx: Trx,
  text: string,
  scope: SearchScope,
  page: { sort: SearchSort; limit: number; after?: SearchPosition | undefined },
  now: Date,
): Promise<{ data: MessageResult[]; next: SearchPosition | null }> {
  const resolved = await resolveSearch(trx, text, scope)
  const { hits, next } = await searchDocuments(trx, resolved, page, now)
  const ids = hits.map(({ id }) => id)
  const found = await listFoundMessages(trx, ids, resolved.filter.text)
  return { data: found.map(({ passage, ...message }) => ({ ...message, snippet: snippetOf(passage) })), next }
}

/** Takes the marks out of a passage and says where they stood. */
export function snippetOf(passage: string): Snippet {
  const { begin, end, less } = PASSAGE_MARKS
  const matches: Snippet['matches'] = []
  let text = ''
  for (const [index, part] of passage.replaceAll(less, '<').split(begin).entries()) {
    const [match, rest] = index === 0 ? ['', part] : [part.split(end)[0]!, part.split(end).slice(1).join('')]
    if (match !== '') matches.push({ start: text.length, end: text.length + match.length })
    text += match + rest
  }
  return { text, matches }
}
