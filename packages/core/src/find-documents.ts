import {
  findOldestDocumentAt,
  type SearchFilter,
  type SearchHit,
  type SearchPlace,
  type SearchSource,
  searchStep,
  type Trx,
} from '@parley/db'

const DAY_MS = 24 * 3_600_000
/** So many of the newest documents tell how common a word is; a very common one fills its page from them. */
const FIRST_WALK = 400
/** Each further walk is so many times as long: with filters that let few through, there are not many of them. */
const WALK_GROWTH = 4
const LONGEST_WALK = 8_000
/** What a look by words gives at once; more of the same days is another look. */
const MATCHES = 5_000
/** So many documents are looked at for one page; with filters that let few of them through, a page then ends early. */
const BUDGET = 40_000
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/** `next`: where the rest begins; null at the end. */
export type FoundDocuments = { hits: SearchHit[]; next: SearchPlace | null }

/**
 * Up to `limit` documents past `after` that match, newest first. The newest documents are read one by one, which finds a
 * common word at once. A word that is rare among them is then looked up by the index, a day, two days, four days at a
 * time, so that at no time more is read than a few pages' worth; a common word costs no more than a rare one.
 */
export async function findDocuments(
  trx: Trx,
  filter: SearchFilter,
  page: { limit: number; after: SearchPlace },
): Promise<FoundDocuments> {
  if (filter.contact_ids?.length === 0) return { hits: [], next: null }
  const hits: SearchHit[] = []
  let { after } = page
  let source: SearchSource = filter.contact_ids ? 'by_contact' : 'newest'
  let walk = FIRST_WALK
  let days = 1
  let end: number | undefined
  for (let looked = 0; looked < BUDGET; ) {
    const most = typeof source === 'object' ? MATCHES : walk
    const limit = page.limit - hits.length
    const step = await searchStep(trx, filter, source, { after, most, limit })
    hits.push(...step.hits)
    looked += Math.max(step.looked, 1)
    const full = hits.length >= page.limit
    if (full) return { hits, next: placeOf(hits.at(-1)!) }
    if (typeof source === 'object' && step.looked < most) {
      // These days are done.
      if (source.from_day <= end!) return { hits, next: null }
      after = { at: new Date(source.from_day * DAY_MS), id: FIRST_ID }
      days *= 2
    } else {
      if (step.looked < most) return { hits, next: null }
      after = step.last!
      walk = Math.min(LONGEST_WALK, walk * WALK_GROWTH)
    }
    if (typeof source === 'object' || isRare(filter, step)) {
      end ??= dayOf(latest(filter.since, await findOldestDocumentAt(trx)))
      const to_day = dayOf(after.at)
      source = { from_day: Math.max(end, to_day - days + 1), to_day }
    }
  }
  return { hits, next: after }
}

const placeOf = ({ at, id }: SearchHit): SearchPlace => ({ at, id })
const dayOf = (at: Date): number => Math.floor(at.getTime() / DAY_MS)
const latest = (a: Date | undefined, b: Date | undefined): Date => (a && (!b || a > b) ? a : (b ?? new Date(0)))

/** Whether the index of words is the shorter way. */
function isRare({ text, contact_ids }: SearchFilter, step: { looked: number; matched: number }): boolean {
  return text !== null && !contact_ids && step.matched * 40 < step.looked
}
