import { listClockEvents, listClocksOf, listConnections, type SlaClock, type SlaPromise, type Trx } from '@parley/db'
import { isPromised, promiseOf } from '../promises.ts'
import type { PromiseOf } from './count-figures.ts'
import type { ClockDifference } from './differences.ts'
import { type LoggedEvent, movedFrom, textOf } from './logged-events.ts'
import { recomputeClocks } from './recompute-clocks.ts'

/** More than this of one conversation, with all that were merged with it or split from it, would keep a worker from its ticks. */
const MAX_EVENTS = 5_000
const MAX_CONVERSATIONS = 50

/** `clocks`: how many were looked at; null: the conversation is too large for it. */
export type CheckedClocks = { clocks: number | null; differences: ClockDifference[] }

/**
 * Compares the clocks of a conversation, and of those that it was merged with or split from, with what their events make of
 * them. Everything is read in one snapshot, which the caller has opened: what changes meanwhile is no difference.
 */
export async function checkClocks(trx: Trx, conversation_id: string, now: Date): Promise<CheckedClocks> {
  const read = await readWithRelated(trx, conversation_id)
  if (!read) return { clocks: null, differences: [] }
  const { events, conversation_ids } = read
  const stored = await listClocksOf(trx, conversation_ids)
  const channels = events.flatMap(({ data }) => textOf(data.channel_id) ?? [])
  const connections = await listConnections(trx, [...new Set(channels)])
  const promises = await readPromises(trx, events)
  const connectedAt = (channel_id: string) => connections.get(channel_id)
  const recomputation = { events, stored, promiseOf: promises, connectedAt, now }
  return { clocks: stored.length, differences: recomputeClocks(recomputation, conversation_id) }
}

/** Waits move where conversations are merged and split: their events are told in several. */
async function readWithRelated(
  trx: Trx,
  conversation_id: string,
): Promise<{ events: LoggedEvent[]; conversation_ids: string[] } | undefined> {
  for (let ids = new Set([conversation_id]); ids.size <= MAX_CONVERSATIONS; ) {
    const rows = await listClockEvents(trx, [...ids], MAX_EVENTS + 1)
    if (rows.length > MAX_EVENTS) return undefined
    // The log holds what was written to it as an object.
    const events = rows as LoggedEvent[]
    const related = new Set([...ids, ...events.flatMap(relatedBy)])
    if (related.size === ids.size) return { events, conversation_ids: [...ids] }
    ids = related
  }
  return undefined
}

function relatedBy(event: LoggedEvent): string[] {
  const move = movedFrom(event) ?? movedFrom({ ...event, conversation_id: textOf(event.data.into_id) })
  return move ? [move.from_id, move.into_id] : []
}

type Versions = Pick<SlaClock, 'policy_id' | 'policy_version' | 'calendar_id' | 'calendar_version'>
const keyOf = (versions: Partial<Versions>) =>
  [versions.policy_id, versions.policy_version, versions.calendar_id, versions.calendar_version].join()

/** What these clocks were promised in the versions that they have had. */
async function readPromises(trx: Trx, events: LoggedEvent[]): Promise<PromiseOf> {
  const versions = new Map<string, Versions>()
  for (const { type, data } of events)
    if (type === 'sla.started' || type === 'sla.recalculated') versions.set(keyOf(data as Versions), data as Versions)
  const promises = new Map<string, SlaPromise>()
  for (const [key, of] of versions) if (isPromised(of)) promises.set(key, await promiseOf(trx, of))
  return clock => promises.get(keyOf(clock))
}
