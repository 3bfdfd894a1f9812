import type { ConnectedChannel, ConnectorContext, PollPage } from '../connector.ts'
import { goodBody, type MastodonAnswer } from './client.ts'
import { type Place, type PollCursor, readCursor, type Walk } from './cursor.ts'
import { readFactsAgain } from './identify.ts'
import {
  type Notification,
  notificationsAnswer,
  notificationsBody,
  notificationsCall,
  olderCall,
  olderPage,
  readItems,
} from './notifications.ts'
import { reread } from './reread.ts'
import { MastodonSession } from './session.ts'
import { ourOf, type Placing, placeAll } from './threads.ts'

type Page = PollPage & { cursor: PollCursor }

/** Each may need its thread looked up, all within one call of ours. */
const PAGE_SIZE = 40
/** A page of fewer is the last one for now: no server's pages are shorter than this. */
const FULL_PAGE = 15
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
/** The first poll of a channel brings at most a week, and at most 2,000 notifications. */
const MAX_PAGES_BACK = 50

/**
 * One page of what is new and, when the newest is read, a look at some messages that came before. Goes forward by
 * `min_id`: `since_id` would skip what does not fit on its page, and the server's Link leads into the past.
 * @throws ChannelAuthError, MastodonFailure
 */
export async function poll(
  channel: ConnectedChannel,
  cursor: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<PollPage> {
  const state = readCursor(cursor)
  const placing: Placing = { session: new MastodonSession(channel, context), context, our: ourOf(channel) }
  const back = state.walk !== null || state.place === null || state.reads_back
  const page = back ? await readBack(placing, state) : await readForward(placing, state)
  if (page.more || page.failed) return page
  return reread(placing, await withFacts(placing, page))
}

/** Servers change their limits without a word: once a day they are looked up, when nothing new waits for it. */
async function withFacts({ session, context }: Placing, page: Page): Promise<Page> {
  const now = context.now()
  const { facts_at } = page.cursor
  if (facts_at !== null && now.getTime() - Date.parse(facts_at) < DAY_MS) return page
  const cursor = { ...page.cursor, facts_at: now.toISOString() }
  // They have just been looked up where the account was connected just now.
  const network_facts = facts_at === null ? undefined : await readFactsAgain(session, context)
  return { ...page, cursor, ...(network_facts ? { network_facts } : {}) }
}

async function readForward(placing: Placing, state: PollCursor): Promise<Page> {
  const { id: min_id } = state.place!
  const { items } = await readPage(placing, notificationsCall({ limit: PAGE_SIZE, min_id }))
  // It is listed again: the server has not heeded `min_id`, and what is new may be more than this page.
  if (items.some(({ place }) => place?.id === min_id))
    return { events: [], cursor: { ...state, reads_back: true }, more: true }
  const oldestFirst = items.toReversed()
  const { events, done, known, stuck, failed } = await placeAll(placing, oldestFirst, state)
  const place = oldestFirst.slice(0, done).findLast(item => item.place)?.place ?? state.place
  const cursor = { ...state, place, known, stuck }
  const more = !failed && (done < items.length || items.length >= FULL_PAGE)
  return { events, cursor, more, ...(failed ? { failed } : {}) }
}

/** From the newest back to what is stored. The place moves when all of it is read: only then is nothing left out. */
async function readBack(placing: Placing, state: PollCursor): Promise<Page> {
  const now = placing.context.now()
  const walk = state.walk ?? startWalk(state, now)
  const { answer, items } = await readPage(placing, olderCall(walk.next, PAGE_SIZE))
  const end = items.findIndex(({ place }) => place !== null && isBehind(place, walk.until))
  const fresh = end === -1 ? items : items.slice(0, end)
  const { events, done, known, stuck, failed } = await placeAll(placing, fresh.toReversed(), state)
  // What could be read of a page is stored; the page is read again.
  const again = failed !== undefined || done < fresh.length
  if (again) return { events, cursor: { ...state, known, stuck, walk }, more: !failed, ...(failed ? { failed } : {}) }
  const newest = walk.newest ?? items.find(item => item.place)?.place ?? null
  const last_id = items.findLast(item => item.place)?.place?.id ?? null
  const next = olderPage(answer, items, placing.session.server_url)
  const pages = walk.pages + 1
  const ended = end !== -1 || next === null || last_id === walk.last_id || pages >= MAX_PAGES_BACK
  if (!ended) {
    const further: Walk = { ...walk, newest, next, last_id, pages }
    return { events, cursor: { ...state, known, stuck, walk: further }, more: true }
  }
  const place = newest ?? state.place ?? null
  // The first forward page, at once: it shows whether the server heeds `min_id` before it matters.
  const more = place !== null && !state.reads_back
  return { events, cursor: { ...state, known, stuck, walk: null, place }, more }
}

/** An hour is read twice, as the notification that was the newest may have vanished with its post. */
function startWalk({ place }: PollCursor, now: Date): Walk {
  const at = place?.at ? Date.parse(place.at) - HOUR_MS : now.getTime() - WEEK_MS
  const until: Place = { id: place?.id ?? '', at: new Date(at).toISOString() }
  return { newest: null, until, next: null, last_id: null, pages: 0 }
}

function isBehind(place: Place, until: Place): boolean {
  return place.id === until.id || (place.at !== null && until.at !== null && place.at < until.at)
}

async function readPage(
  { session, context }: Placing,
  call: Parameters<MastodonSession['call']>[0],
): Promise<{ answer: MastodonAnswer; items: Notification[] }> {
  const answer = notificationsAnswer(await session.call(call))
  return { answer, items: readItems(goodBody(answer, notificationsBody, context.now())) }
}
