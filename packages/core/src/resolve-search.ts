import { findPeople, listNamed, listTagsByKey, type SearchFilter, type Trx } from '@parley/db'
import { DomainError, parseSearch, searchKey, searchRefused, websearchText } from '@parley/domain'

/** Who is meant by a name or a part of it: more than this, and it means nobody in particular. */
const MOST_PEOPLE = 200

/** Who asks, and what besides the text narrows the search. `inbox_ids` null: the caller may see all inboxes. */
export type SearchScope = {
  inbox_ids: string[] | null
  user_id: string | null
  wanted_inbox_id?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
}

export type ResolvedSearch = {
  filter: SearchFilter
  /** Nothing younger than this, nor of this very moment. */
  before: Date | undefined
}

/**
 * Reads a search and finds out what its names name.
 * @throws DomainError `validation_failed`, also for a channel, an inbox or a person that is not there
 */
export async function resolveSearch(trx: Trx, text: string, scope: SearchScope): Promise<ResolvedSearch> {
  const query = parseSearch(text)
  const [channel_ids, wanted_inbox_ids, assignee_ids, contact_ids, tag_ids] = await Promise.all([
    namedIds(trx, 'channels', query.channel, 'channel'),
    namedIds(trx, 'inboxes', query.inbox, 'inbox'),
    owners(trx, query.assignee, scope.user_id),
    people(trx, query.from),
    tags(trx, query.tag),
  ])
  const since = latest(query.after, scope.from)
  const before = earliest(query.before, scope.to)
  const filter: SearchFilter = {
    text: websearchText(query),
    inbox_ids: scope.inbox_ids,
    kinds: ['message', 'note'],
    wanted_inbox_ids: within(wanted_inbox_ids, scope.wanted_inbox_id),
    channel_ids,
    contact_ids,
    statuses: query.status.length > 0 ? query.status : undefined,
    assignee_ids,
    has_attachments: query.has_attachment || undefined,
    since,
    listed: { tag_ids },
  }
  return { filter, before }
}

async function namedIds(
  trx: Trx,
  table: 'channels' | 'inboxes' | 'users',
  names: string[],
  field: string,
): Promise<string[] | undefined> {
  if (names.length === 0) return undefined
  const found = await listNamed(trx, table, names)
  const unknown = names.find(name => !found.some(({ called }) => called.includes(name.toLowerCase())))
  if (unknown !== undefined) throw searchRefused(`${field}: names nothing that is there: ${unknown}.`)
  return found.map(({ id }) => id)
}

async function owners(trx: Trx, names: string[], user_id: string | null): Promise<(string | null)[] | undefined> {
  if (names.length === 0) return undefined
  const word = (name: string) => name.toLowerCase()
  if (names.some(name => word(name) === 'me') && !user_id) {
    throw new DomainError('validation_failed', 'This key acts as no person.')
  }
  const others = names.filter(name => !['me', 'none'].includes(word(name)))
  const found = (await namedIds(trx, 'users', others, 'assignee')) ?? []
  const me = names.some(name => word(name) === 'me') ? [user_id!] : []
  return [...found, ...me, ...(names.some(name => word(name) === 'none') ? [null] : [])]
}

/** All of the tags have to be on a conversation. */
async function tags(trx: Trx, names: string[]): Promise<string[]> {
  const keys = names.map(searchKey)
  const found = new Map((await listTagsByKey(trx, keys)).map(tag => [tag.name_key, tag.id]))
  return keys.map((key, place) => {
    const id = found.get(key)
    if (!id) throw searchRefused(`tag: names nothing that is there: ${names[place]}.`)
    return id
  })
}

/** Contacts with these words in a name or a handle; none of that name is no mistake. */
async function people(trx: Trx, names: string[]): Promise<string[] | undefined> {
  if (names.length === 0) return undefined
  const found = await Promise.all(names.map(name => findPeople(trx, name, MOST_PEOPLE + 1)))
  const ids = [...new Set(found.flat())]
  if (ids.length > MOST_PEOPLE) {
    throw searchRefused(`from: means more than ${MOST_PEOPLE} people; give more of the name, or the whole handle.`)
  }
  return ids
}

function within(ids: string[] | undefined, wanted: string | undefined): string[] | undefined {
  if (wanted === undefined) return ids
  return ids ? ids.filter(id => id === wanted) : [wanted]
}

const latest = (a: Date | undefined, b: Date | undefined) => (a && b ? (a > b ? a : b) : (a ?? b))
const earliest = (a: Date | undefined, b: Date | undefined) => (a && b ? (a < b ? a : b) : (a ?? b))
