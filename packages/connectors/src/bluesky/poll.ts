import type { ConnectedChannel, ConnectorContext, PollPage } from '../connector.ts'
import { NetworkUnavailable } from '../errors.ts'
import { type Notification, readNotifications, uniqueEvents } from './notifications.ts'
import { type BlueskySession, openSession } from './session.ts'
import { advance, type PollCursor, readCursor, restart, type Sweep, startDeep, startHead } from './sweep.ts'
import { keepUp, remember, type Upkeep } from './upkeep.ts'

/**
 * One page of what is new and, when the newest are all read, one page of a deep sweep if that is due, and now and then
 * a look at what is not notified. Nothing is marked as seen: that flag is shared with the account's phone.
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
  if (head.next === 'stuck') {
    // The next poll starts at the top again, and reads down to where this one should have come.
    const failed = new NetworkUnavailable('The list of notifications repeats itself before its end.', null)
    return { events: uniqueEvents(head.items), cursor: { ...state, head: null }, more: false, failed }
  }
  const upkeep = remember(state.upkeep, head.items, context.now())
  if (head.next !== 'done') {
    return { events: uniqueEvents(head.items), cursor: { ...state, upkeep, head: head.next }, more: true }
  }
  const read: PollCursor = {
    ...state,
    upkeep,
    head: null,
    last_polled_at: head.sweep.started_at,
    last_deep_at: state.last_deep_at ?? head.sweep.started_at,
  }
  const due = read.deep ?? startDeep(read, context.now())
  if (!due) return finish(session, head.items, read, upkeep, context)
  const deep = await step(session, due, context).catch((error: Error) => error)
  if (deep instanceof NetworkUnavailable) {
    // What is new must not wait for what is old: it is kept, and the deep sweep starts over.
    return { events: uniqueEvents(head.items), cursor: { ...read, deep: null }, more: false, failed: deep }
  }
  if (deep instanceof Error) throw deep
  const ended = deep.next === 'done' || deep.next === 'stuck'
  const swept = ended ? { deep: null, last_deep_at: deep.sweep.started_at } : { deep: deep.next as Sweep }
  return finish(session, [...head.items, ...deep.items], { ...read, ...swept }, upkeep, context)
}

/** The page, with what was asked for beside the notifications. */
async function finish(
  session: BlueskySession,
  items: Notification[],
  cursor: PollCursor,
  upkeep: Upkeep,
  context: ConnectorContext,
): Promise<PollPage> {
  const kept = await keepUp(session, upkeep, context)
  const events = uniqueEvents([...items, ...kept.events.map(event => ({ event }))])
  const page = { events, cursor: { ...cursor, upkeep: kept.upkeep }, more: false }
  return kept.failed ? { ...page, failed: kept.failed } : page
}

async function step(session: BlueskySession, sweep: Sweep, context: ConnectorContext) {
  const page = await readNotifications(session, sweep.page_cursor, context)
  const current = page.restarted ? restart(sweep) : sweep
  return { items: page.items, sweep: current, next: advance(current, page) }
}
