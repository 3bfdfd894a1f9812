import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { ConnectorContext, ReceivedEvent } from '../connector.ts'
import { readEmbeds } from './embeds.ts'
import { REASONS } from './notification.ts'
import type { BlueskySession } from './session.ts'
import { bodyOf, failureOf, type XrpcAnswer } from './xrpc.ts'

const PAGE_SIZE = 100

/** The items stay unknown: one that is malformed is stored and refused by itself, not with its page. */
const notificationsBody = z.looseObject({ notifications: z.array(z.unknown()), cursor: z.string().min(1).optional() })

const listed = z.looseObject({ uri: z.string(), cid: z.string(), indexedAt: z.string() })

/** `at` is the place in the list: the network's time of an item. Null, as its uri, when it tells none. */
export type Notification = { event: ReceivedEvent; uri: string | null; at: Date | null }

export type NotificationPage = {
  items: Notification[]
  /** Leads further into the past. Missing at the end of the list, and only there. */
  cursor: string | null
  /** The time of the oldest item, counting those that are not for the inbox. */
  oldest: Date | null
  /** True when the network did not take the cursor: this is the first page. */
  restarted: boolean
}

/**
 * One page of the account's notifications, from `page_cursor` on or the newest.
 * @throws ChannelAuthError, XrpcFailure
 */
export async function readNotifications(
  session: BlueskySession,
  page_cursor: string | null,
  context: ConnectorContext,
): Promise<NotificationPage> {
  const answer = await listNotifications(session, page_cursor)
  const restarted = page_cursor !== null && refusesCursor(answer)
  const read = restarted ? await listNotifications(session, null) : answer
  if (!read.ok) throw failureOf(read, context.now())
  const body = bodyOf(read, notificationsBody, context.now())
  // Servers that do not know the `reasons` parameter list likes and follows too.
  const found = body.notifications.filter(isForTheInbox)
  const embeds = await readEmbeds(session, found, context.now)
  return {
    items: found.map(item => ({ event: eventOf(item, session.did, embeds), uri: uriOf(item), at: timeOf(item) })),
    cursor: body.cursor ?? null,
    oldest: oldestOf(body.notifications),
    restarted,
  }
}

/** `priority` is sent because its default is a preference of the account, which could hide strangers. */
function listNotifications(session: BlueskySession, page_cursor: string | null): Promise<XrpcAnswer> {
  const params = {
    reasons: REASONS,
    priority: false,
    limit: PAGE_SIZE,
    ...(page_cursor ? { cursor: page_cursor } : {}),
  }
  return session.call({ nsid: 'app.bsky.notification.listNotifications', params })
}

/** A cursor the AppView cannot read is answered as 502 InternalServerError (seen on bsky 0.0.221). */
function refusesCursor({ ok, error }: XrpcAnswer): boolean {
  return !ok && (error === 'InternalServerError' || error === 'InvalidRequest')
}

function oldestOf(notifications: unknown[]): Date | null {
  const times = notifications.map(timeOf).filter(time => time !== null)
  return times.reduce<Date | null>((oldest, time) => (oldest && oldest < time ? oldest : time), null)
}

function timeOf(item: unknown): Date | null {
  const time = Date.parse(listed.safeParse(item).data?.indexedAt ?? '')
  return Number.isFinite(time) ? new Date(time) : null
}

function uriOf(item: unknown): string | null {
  return listed.pick({ uri: true }).safeParse(item).data?.uri ?? null
}

const otherReason = z.looseObject({ reason: z.string().refine(reason => !REASONS.some(known => known === reason)) })

function isForTheInbox(notification: unknown): boolean {
  return !otherReason.safeParse(notification).success
}

/**
 * A post is one event per version: its uri stays when it is edited, its content hash does not. What it shows besides
 * text is told by `embeds`, as the notification itself only names it.
 */
export function eventOf(notification: unknown, our_did: string, embeds: Map<string, unknown>): ReceivedEvent {
  const post = listed.pick({ uri: true, cid: true }).safeParse(notification).data
  const dedup_key = post ? `${post.uri}#${post.cid}` : `unreadable:${hash(notification)}`
  const embed = post && embeds.get(post.uri)
  const payload = { our_did, notification, ...(embed ? { embed } : {}) }
  return { dedup_key, thread_key: threadOf(notification), payload }
}

const threaded = z.looseObject({
  uri: z.string(),
  record: z.looseObject({ reply: z.looseObject({ root: z.looseObject({ uri: z.string() }) }).optional() }),
})

function threadOf(notification: unknown): string | null {
  const { data } = threaded.safeParse(notification)
  return data ? (data.record.reply?.root.uri ?? data.uri) : null
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

/** The events of a page, or of two, each once. */
export function uniqueEvents(items: { event: ReceivedEvent }[]): ReceivedEvent[] {
  return [...new Map(items.map(({ event }) => [event.dedup_key, event])).values()]
}
