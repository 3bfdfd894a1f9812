import type { Traits } from './model.ts'

type Listed = { id: string; seq: number }

/**
 * A page of a list, always newest first, also after `min_id`, and the Link that goes with it: `next` leads into the past
 * and forgets what was asked for.
 */
export function pageOf<T extends Listed>(
  all: T[],
  url: URL,
  traits: Traits,
  defaults: { limit: number; most: number },
): { page: T[]; headers: Record<string, string> } {
  const query = url.searchParams
  const limit = Math.min(Number(query.get('limit') ?? defaults.limit), defaults.most)
  const newestFirst = all.toSorted((a, b) => b.seq - a.seq)
  if (traits.ignores_paging) return ownPages(newestFirst, url, limit)
  const [min, since, max] = ['min_id', 'since_id', 'max_id'].map(name => seqOf(query.get(name), all, traits))
  const within = newestFirst.filter(({ seq }) => seq > (min ?? since ?? -1) && seq < (max ?? Number.POSITIVE_INFINITY))
  const page = min === undefined ? within.slice(0, limit) : within.slice(Math.max(0, within.length - limit))
  const [first, last] = [page[0], page.at(-1)]
  if (!first || !last) return { page, headers: {} }
  const at = (name: string, { id }: Listed) => {
    const to = new URL(url)
    for (const given of ['min_id', 'since_id', 'max_id']) to.searchParams.delete(given)
    to.searchParams.set(name, id)
    return to.href
  }
  return { page, headers: { link: `<${at('max_id', last)}>; rel="next", <${at('min_id', first)}>; rel="prev"` } }
}

/** Cursors of its own, which no client can make up. */
function ownPages<T extends Listed>(newestFirst: T[], url: URL, limit: number) {
  const from = Number(url.searchParams.get('page_cursor') ?? 0)
  const page = newestFirst.slice(from, from + limit)
  const to = new URL(url)
  to.searchParams.set('page_cursor', String(from + limit))
  const headers: Record<string, string> = from + limit < newestFirst.length ? { link: `<${to.href}>; rel="next"` } : {}
  return { page, headers }
}

/** An id may be of something that is gone: snowflakes tell their place all the same. */
function seqOf(id: string | null, all: Listed[], { ids }: Traits): number | undefined {
  if (id === null) return undefined
  const found = all.find(listed => listed.id === id)
  if (found) return found.seq
  return ids === 'snowflake' && /^\d+$/.test(id) ? Number(BigInt(id) & 0xffffn) : -1
}
