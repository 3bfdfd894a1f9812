import { createHash } from 'node:crypto'
import {
  addToMinutes,
  appendEvents,
  type EventRow,
  listIdsInConversation,
  listPosted,
  lockRatedPosts,
  type NewEvent,
  type PostedMessage,
  type PostTriage,
  putPostMessages,
  type RatedPost,
  removePostMessages,
  removePostMessagesOf,
  type Trx,
  touchPosts,
  updateSurge,
} from '@parley/db'
import {
  minuteOf,
  SURGE_BASELINE_MINUTES,
  SURGE_WINDOW_MINUTES,
  type Surge,
  SYSTEM,
  similarText,
  surgeOf,
} from '@parley/domain'
import { ERASED_MARK } from './erasure/messages.ts'
import { FIRST_ID } from './erasure/steps.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const BATCH = 1_000
const RATED_MINUTES = SURGE_BASELINE_MINUTES + SURGE_WINDOW_MINUTES

/**
 * Keeps what is told of posts level with what these events are about: their messages and what triage found in them, how
 * many, how fast, and whether that is a surge. Messages are read as they stand now and counted when they are new, so an
 * event that comes twice or late counts once. Returns how many surges began.
 */
export async function followPosts(trx: Trx, events: EventRow[], now: Date): Promise<number> {
  const messages = new Set<string>()
  const moved = new Set<string>()
  const erased = new Set<string>()
  for (const { type, conversation_id, data } of events) {
    const told = (data ?? {}) as Record<string, unknown>
    if (/^message\.(received|updated|deleted|triaged)$/.test(type)) addIds(messages, told.message_id)
    if (type === 'conversation.updated' && 'post_id' in told) addIds(moved, conversation_id)
    if (type === 'contact.erased') for (const id of [told.contact_id, told.contact_ids]) addIds(erased, id)
  }
  await removePostMessagesOf(trx, [...erased])
  const posts = new Set(await followMessages(trx, [...messages], now))
  for (const conversation_id of moved) {
    for (let after = FIRST_ID; ; ) {
      const ids = await listIdsInConversation(trx, conversation_id, after, BATCH)
      for (const id of await followMessages(trx, ids, now)) posts.add(id)
      const last = ids.at(-1)
      if (ids.length < BATCH || !last) break
      after = last
    }
  }
  return rate(trx, [...posts], now)
}

/** Returns the posts that somebody said something new on just now. */
async function followMessages(trx: Trx, ids: string[], now: Date): Promise<string[]> {
  const posted = await listPosted(trx, ids, ERASED_MARK)
  const kept = posted.filter(message => message.kept)
  const there = new Set(kept.map(({ id }) => id))
  await removePostMessages(
    trx,
    ids.filter(id => !there.has(id)),
  )
  const rows = kept.map(({ id, post_id, contact_id, occurred_at, body, ...found }) => ({
    message_id: id,
    post_id,
    contact_id: contact_id!,
    at: occurred_at,
    fingerprint: fingerprintOf(body),
    ...triageOf(found),
  }))
  const fresh = new Set((await putPostMessages(trx, rows)).map(row => row.message_id))
  return count(
    trx,
    kept.filter(({ id }) => fresh.has(id)),
    now,
  )
}

const triageOf = ({ language, question, sentiment, proposed_disposition }: PostTriage) => ({
  ...{ language, question, sentiment, proposed_disposition },
})

/** The same for texts that are alike. */
export function fingerprintOf(text: string): string {
  return createHash('sha256').update(similarText(text)).digest('hex').slice(0, 16)
}

async function count(trx: Trx, fresh: PostedMessage[], now: Date): Promise<string[]> {
  const touches = new Map<string, { post_id: string; count: number; last_message_at: Date }>()
  const minutes = new Map<string, { post_id: string; minute: number; count: number }>()
  const oldest = minuteOf(now) - RATED_MINUTES
  for (const { post_id, occurred_at, from_history } of fresh) {
    const touch = touches.get(post_id) ?? { post_id, count: 0, last_message_at: occurred_at }
    touch.count += 1
    if (occurred_at > touch.last_message_at) touch.last_message_at = occurred_at
    touches.set(post_id, touch)
    const minute = minuteOf(occurred_at)
    if (from_history || minute < oldest) continue
    const bucket = minutes.get(`${post_id} ${minute}`) ?? { post_id, minute, count: 0 }
    bucket.count += 1
    minutes.set(`${post_id} ${minute}`, bucket)
  }
  await touchPosts(trx, [...touches.values()])
  await addToMinutes(trx, [...minutes.values()])
  return [...minutes.values()].map(({ post_id }) => post_id)
}

async function rate(trx: Trx, ids: string[], now: Date): Promise<number> {
  const events: NewEvent[] = []
  for (const post of await lockRatedPosts(trx, ids, minuteOf(now) - RATED_MINUTES)) {
    const counts = new Map(post.minutes.map(({ minute, count }) => [minute, count]))
    const before = surgeOn(post)
    const state = surgeOf(counts, post.born_at, before, now)
    if (!state || state === before) continue
    await updateSurge(trx, post.id, state)
    if (state.surge === before?.surge) continue
    const data = { post_id: post.id, channel_id: post.channel_id, ...state.surge }
    events.push({ type: 'post.surging', at: now, actor: SYSTEM, data })
  }
  await appendEvents(trx, events)
  return events.length
}

const surgeOn = ({ surge, surging_until }: RatedPost) =>
  surge && surging_until ? { surge: surge as Surge, until: surging_until } : undefined

function addIds(ids: Set<string>, value: unknown): void {
  for (const id of Array.isArray(value) ? value : [value]) if (typeof id === 'string' && UUID.test(id)) ids.add(id)
}
