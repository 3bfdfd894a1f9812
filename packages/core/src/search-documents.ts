import { rankDocuments, type SearchHit, type SearchPlace, type Trx } from '@parley/db'
import { findDocuments } from './find-documents.ts'
import type { ResolvedSearch } from './resolve-search.ts'

/** By relevance the newest so many matches are sorted. */
const RANKED = 500
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

export type SearchSort = 'newest' | 'relevance'

/** Where a list goes on. What is younger than `as_of`, when its first page was read, does not move the pages behind it. */
export type SearchPosition = SearchPlace & { as_of: Date; score?: number | undefined }

export type SearchPage = { hits: SearchHit[]; next: SearchPosition | null }

/**
 * One page of documents that match: `newest` gives them all, newest first; `relevance` sorts the newest 500 of them. A
 * page may have fewer than `limit` and still not be the last: `next` tells.
 */
export async function searchDocuments(
  trx: Trx,
  { filter, before }: ResolvedSearch,
  page: { sort: SearchSort; limit: number; after?: SearchPosition | undefined },
  now: Date,
): Promise<SearchPage> {
  const as_of = page.after?.as_of ?? now
  const start = before && before <= as_of ? { at: before, id: FIRST_ID } : { at: as_of, id: LAST_ID }
  if (page.sort === 'newest') {
    const { hits, next } = await findDocuments(trx, filter, { limit: page.limit, after: page.after ?? start })
    return { hits, next: next && { ...next, as_of } }
  }
  const { hits } = await findDocuments(trx, filter, { limit: RANKED, after: start })
  const places = new Map(hits.map(hit => [hit.id, hit]))
  const ids = [...places.keys()]
  const ranked = (await rankDocuments(trx, ids, filter, as_of)).map(({ id, score }) => ({ ...places.get(id)!, score }))
  const { after } = page
  const rest = after ? ranked.filter(hit => isBehind(hit, after)) : ranked
  const shown = rest.slice(0, page.limit)
  const last = shown.at(-1)
  const more = rest.length > shown.length && last
  return { hits: shown, next: more ? { at: last.at, id: last.id, score: last.score, as_of } : null }
}

const isBehind = (hit: { score: number; id: string }, after: SearchPosition) =>
  hit.score < after.score! || (hit.score === after.score && hit.id < after.id)
