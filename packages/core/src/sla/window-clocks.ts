import {
  appendEvents,
  insertClocks,
  listConversationsByIds,
  listWindowedWaits,
  lockWindows,
  type NewEvent,
  newId,
  refreshDue,
  type SlaClock,
  type Trx,
  updateClock,
} from '@parley/db'
import { type ReplyWindow, replyWindows, SYSTEM, type WindowedMessage } from '@parley/domain'
import { aboutClock, asStarted } from './clock-events.ts'
import { noticeBreach } from './notice-breach.ts'
import { ALWAYS_OPEN, timesOf, WARN_OF_WINDOWS } from './promises.ts'

/**
 * Lets the clocks of windows follow what customers who wait in these conversations have said that nobody has answered: in
 * any order the same. A window that has closed and is recorded stays; what is said later opens another one. The caller has
 * locked the conversations and written their messages and waits. Twice is the same as once.
 * @param reason why a window may be there no longer
 */
export async function followWindows(trx: Trx, conversation_ids: string[], reason: string, now: Date): Promise<void> {
  const [waits, clocks] = [await listWindowedWaits(trx, conversation_ids), await lockWindows(trx, conversation_ids)]
  if (waits.length === 0 && clocks.length === 0) return
  const conversations = new Map((await listConversationsByIds(trx, conversation_ids)).map(row => [row.id, row]))
  const events: NewEvent[] = []
  const started: Parameters<typeof insertClocks>[1] = []
  const gone = clocks.filter(({ wait_id, breached_at }) => !breached_at && !waits.some(({ id }) => id === wait_id))
  for (const clock of gone) events.push(...(await cancelWindow(trx, clock, reason, now)))
  for (const wait of waits) {
    const theirs = clocks.filter(({ wait_id }) => wait_id === wait.id)
    const { open, windows, closed } = matched(theirs, wait.messages)
    for (const clock of closed) events.push(...(await cancelWindow(trx, clock, reason, now)))
    for (const { clock, window } of open) events.push(...(await moveWindow(trx, clock, window, now)))
    for (const window of windows) {
      const { inbox_id, priority } = conversations.get(wait.conversation_id)!
      const { id: wait_id, conversation_id, contact_id, ordinal } = wait
      const whose = { conversation_id, contact_id, wait_id, ordinal, inbox_id, priority }
      const clock = {
        id: newId(now),
        ...whose,
        ...NO_POLICY,
        metric: 'network_window' as const,
        ...windowTerms(window),
      }
      started.push(clock)
      const event = { type: 'sla.started' as const, at: now, actor: SYSTEM, conversation_id }
      events.push({ ...event, data: asStarted(clock) })
    }
  }
  await insertClocks(trx, started)
  await appendEvents(trx, events)
  if (events.length > 0) await refreshDue(trx, conversation_ids)
}

/** Ends a window without an answer. Returns what to log. */
export async function cancelWindow(trx: Trx, running: SlaClock, reason: string, now: Date): Promise<NewEvent[]> {
  const { clock, events } = await noticeBreach(trx, running, reason, now)
  await updateClock(trx, clock.id, { state: 'cancelled', cancelled_at: now, cancelled_reason: reason })
  const { conversation_id } = clock
  const data = { ...aboutClock(clock), reason }
  return [...events, { type: 'sla.cancelled', at: now, actor: SYSTEM, conversation_id, data }]
}

const NO_POLICY = { policy_id: null, policy_version: null, calendar_id: null, calendar_version: null }

/** Which window is which clock's: that of the message that opened it, else in their order. A recorded breach stays. */
function matched(clocks: SlaClock[], messages: WindowedMessage[]) {
  const recorded = clocks.filter(clock => clock.breached_at)
  const windows = replyWindows(
    messages.filter(({ reply_until }) => recorded.every(({ due_at }) => reply_until > due_at)),
  )
  const open: { clock: SlaClock; window: ReplyWindow }[] = []
  let closed = clocks.filter(clock => !clock.breached_at)
  for (const same of [true, false]) {
    for (const clock of [...closed]) {
      const place = windows.findIndex(({ message_id }) => !same || message_id === clock.message_id)
      if (place < 0) continue
      open.push({ clock, window: windows.splice(place, 1)[0]! })
      closed = closed.filter(({ id }) => id !== clock.id)
    }
  }
  return { open, windows, closed }
}

async function moveWindow(trx: Trx, clock: SlaClock, window: ReplyWindow, now: Date): Promise<NewEvent[]> {
  const terms = windowTerms(window)
  const { message_id, started_at, due_at } = terms
  if (clock.message_id === message_id && +clock.started_at === +started_at && +clock.due_at === +due_at) return []
  const moved = await updateClock(trx, clock.id, terms)
  const data = { ...aboutClock(moved), reason: 'network_window' }
  const event = {
    type: 'sla.retargeted' as const,
    at: now,
    actor: SYSTEM,
    conversation_id: clock.conversation_id,
    data,
  }
  return [{ ...event, previous: { due_at: clock.due_at } }]
}

/** What a clock has of its window. In calendar time: a network never closes. It falls due to the millisecond when the window does. */
export function windowTerms({ message_id, opened_at, closes_at }: ReplyWindow) {
  const target_seconds = Math.max(1, Math.round((closes_at.getTime() - opened_at.getTime()) / 1000))
  const run = { started_at: opened_at, target_seconds, counted_ms: 0, running_since: null }
  const times = timesOf(ALWAYS_OPEN, run, WARN_OF_WINDOWS)
  return { message_id, started_at: opened_at, target_seconds, ...times, due_at: closes_at }
}
