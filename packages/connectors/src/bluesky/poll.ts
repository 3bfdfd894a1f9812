import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, PollPage, ReceivedEvent } from '../connector.ts'
import { REASONS } from './notification.ts'
import { type BlueskySession, openSession } from './session.ts'
import { storable } from './storable.ts'
import { advance, type PollCursor, readCursor, type Sweep, startDeep, startHead } from './sweep.ts'
import { bodyOf, failureOf, type XrpcAnswer } from './xrpc.ts'

const PAGE_SIZE = 100

/** The items stay unknown: one that is malformed is stored and refused by itself, not with its page. */
const notificationsBody = z.looseObject({ notifications: z.array(z.unknown()), cursor: z.string().min(1).optional() })

const listed = z.looseObject({ uri: z.string(), cid: z.string(), indexedAt: z.string() })

type Page = { events: ReceivedEvent[]; cursor: string | null; oldest: Date | null }

/**
 * One page of what is new and, when the newest are all read, one page of a deep sweep if that is due. Nothing is
 * marked as seen: that flag is shared with the account's phone.
 * @throws ChannelAuthError, XrpcFailure
 */
export async function poll(
  channel: ConnectedChannel,
  cursor: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<PollPage> {
  const state = readCursor(cursor)
  const session = await openSession(channel, context)
  const head = await step(session, state.head ?? startHead(state, context.now()), context)
  if (head.rest) return { events: head.events, cursor: { ...state, head: head.rest }, more: true }

  const read: PollCursor = {
    ...state,
    head: null,
    last_polled_at: head.sweep.started_at,
    last_deep_at: state.last_deep_at ?? head.sweep.started_at,
  }
  const due = read.deep ?? startDeep(read, context.now())
  if (!due) return { events: head.events, cursor: read, more: false }
  const deep = await step(session, due, context)
  const last_deep_at = deep.rest ? read.last_deep_at : deep.sweep.started_at
  const events = uniqueEvents([...head.events, ...deep.events])
  return { events, cursor: { ...read, deep: deep.rest, last_deep_at }, more: false }
}

async function step(session: BlueskySession, sweep: Sweep, context: ConnectorContext) {
  const answer = await listNotifications(session, sweep.page_cursor)
  // A cursor the AppView cannot read is answered like an outage (502 InternalServerError, seen on bsky 0.0.221).
  if (!answer.ok && sweep.page_cursor !== null && (answer.status >= 500 || answer.error === 'InvalidRequest'))
    return readPage(await listNotifications(session, null), { ...sweep, pages: 0, page_cursor: null }, session, context)
  return readPage(answer, sweep, session, context)
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

function readPage(answer: XrpcAnswer, sweep: Sweep, session: BlueskySession, context: ConnectorContext) {
  if (!answer.ok) throw failureOf(answer, context.now())
  const page = pageOf(bodyOf(answer, notificationsBody, context.now()), session.did)
  return { events: page.events, sweep, rest: advance(sweep, page) }
}

function pageOf(body: z.infer<typeof notificationsBody>, our_did: string): Page {
  const times = body.notifications
    .map(item => Date.parse(listed.safeParse(item).data?.indexedAt ?? ''))
    .filter(Number.isFinite)
  return {
    // Servers that do not know the `reasons` parameter list likes and follows too.
    events: uniqueEvents(body.notifications.filter(isForTheInbox).map(item => eventOf(item, our_did))),
    cursor: body.cursor ?? null,
    oldest: times.length > 0 ? new Date(Math.min(...times)) : null,
  }
}

const otherReason = z.looseObject({ reason: z.string().refine(reason => !REASONS.some(known => known === reason)) })

function isForTheInbox(notification: unknown): boolean {
  return !otherReason.safeParse(notification).success
}

/** A post is one event per version: its uri stays when it is edited, its content hash does not. */
function eventOf(item: unknown, our_did: string): ReceivedEvent {
  const notification = storable(item)
  const post = listed.pick({ uri: true, cid: true }).safeParse(notification)
  const dedup_key = post.success ? `${post.data.uri}#${post.data.cid}` : `unreadable:${hash(notification)}`
  return { dedup_key, payload: { our_did, notification } }
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

function uniqueEvents(events: ReceivedEvent[]): ReceivedEvent[] {
  return [...new Map(events.map(event => [event.dedup_key, event])).values()]
}
