import {
  appendEvents,
  type BoundedCount,
  countParkedEvents,
  findEventStates,
  type LedgerEvent,
  listParkedIds,
  type ParkedRange,
  type Trx,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'

/** How many events one call decides about. */
const BATCH = 500

export type ParkedSelection = { ids: string[] } | ({ all: true } & ParkedRange)

export type ParkedOutcome = {
  id: string
  outcome: 'changed' | 'not_parked' | 'not_found'
  state: LedgerEvent['state'] | null
}

export type ParkedOutcomes = { data: ParkedOutcome[]; next_after: string | null; left: BoundedCount }

/** What a person decides about parked events: the change, which gives back those that it found parked, and its event. */
export type ParkedDecision = {
  type: 'event.retried' | 'event.discarded'
  change: (trx: Trx, channel_id: string, ids: string[]) => Promise<LedgerEvent[]>
}

/** @throws NotFound, or DomainError `conflict` when it is not parked any more, with its state */
export async function decideOne(
  trx: Trx,
  decision: ParkedDecision,
  channel_id: string,
  id: string,
  actor: Actor,
  now: Date,
): Promise<LedgerEvent> {
  const [event] = await decide(trx, decision, channel_id, [id], actor, now)
  if (event) return event
  const state = (await findEventStates(trx, channel_id, [id])).get(id)
  if (!state) throw new NotFound('event')
  throw new DomainError('conflict', `The event is not parked: it is ${state}.`, { state })
}

/**
 * Decides about many, each by itself: one that is not parked any more stops none of the others. Of `all` it takes the
 * oldest 500; an event that is parked again meanwhile is behind `next_after`, so going on with it comes to an end.
 */
export async function decideMany(
  trx: Trx,
  decision: ParkedDecision,
  channel_id: string,
  selection: ParkedSelection,
  actor: Actor,
  now: Date,
): Promise<ParkedOutcomes> {
  const named = 'ids' in selection
  const ids = named ? [...new Set(selection.ids)] : await listParkedIds(trx, channel_id, selection, BATCH)
  const decided = new Map(
    (await decide(trx, decision, channel_id, ids, actor, now)).map(event => [event.id, event.state]),
  )
  const others = ids.filter(id => !decided.has(id))
  const states = others.length > 0 ? await findEventStates(trx, channel_id, others) : undefined
  const last = ids.at(-1)
  const range = named ? {} : { before: selection.before, after: last ?? selection.after }
  const left = await countParkedEvents(trx, channel_id, range)
  return {
    data: ids.map((id): ParkedOutcome => {
      const state = decided.get(id) ?? states?.get(id) ?? null
      return { id, outcome: decided.has(id) ? 'changed' : state ? 'not_parked' : 'not_found', state }
    }),
    next_after: !named && left.count > 0 && last ? last : null,
    left,
  }
}

async function decide(
  trx: Trx,
  { type, change }: ParkedDecision,
  channel_id: string,
  ids: string[],
  actor: Actor,
  at: Date,
): Promise<LedgerEvent[]> {
  if (ids.length === 0) return []
  const changed = await change(trx, channel_id, ids)
  await appendEvents(
    trx,
    changed.map(({ id, dedup_key, received_at, error }) => {
      const data = { inbound_event_id: id, channel_id, dedup_key, received_at, reason: error }
      return { type, at, actor, data }
    }),
  )
  return changed
}
