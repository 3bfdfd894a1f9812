import type { ConnectedChannel, ConnectorContext, PollPage } from '../connector.ts'
import { NetworkUnavailable } from '../errors.ts'
import { readNotifications, uniqueEvents } from './notifications.ts'
import { type BlueskySession, openSession } from './session.ts'
import { advance, type PollCursor, readCursor, restart, type Sweep, startDeep, startHead } from './sweep.ts'

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
  if (head.next === 'stuck') {
    // The next poll starts at the top again, and reads down to where this one should have come.
    const failed = new NetworkUnavailable('The list of notifications repeats itself before its end.', null)
    return { events: uniqueEvents(head.items), cursor: { ...state, head: null }, more: false, failed }
  }
  if (head.next !== 'done') {
    return { events: uniqueEvents(head.items), cursor: { ...state, head: head.next }, more: true }
  }
  const read: PollCursor = {
    ...state,
    head: null,
    last_polled_at: head.sweep.started_at,
    last_deep_at: state.last_deep_at ?? head.sweep.started_at,
  }
  const due = read.deep ?? startDeep(read, context.now())
  if (!due) return { events: uniqueEvents(head.items), cursor: read, more: false }
  const deep = await step(session, due, context).catch((error: Error) => error)
  if (deep instanceof NetworkUnavailable) {
    // What is new must not wait for what is old: it is kept, and the deep sweep starts over.
    return { events: uniqueEvents(head.items), cursor: { ...read, deep: null }, more: false, failed: deep }
  }
  if (deep instanceof Error) throw deep
  const goesOn = deep.next !== 'done' && deep.next !== 'stuck'
  const swept = goesOn ? { deep: deep.next } : { deep: null, last_deep_at: deep.sweep.started_at }
  return { events: uniqueEvents([...head.items, ...deep.items]), cursor: { ...read, ...swept }, more: false }
}

async function step(session: BlueskySession, sweep: Sweep, context: ConnectorContext) {
  const page = await readNotifications(session, sweep.page_cursor, context)
  const current = page.restarted ? restart(sweep) : sweep
  return { items: page.items, sweep: current, next: advance(current, page) }
}
