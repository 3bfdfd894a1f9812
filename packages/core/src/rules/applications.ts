import { type EventRow, listApplied, type Trx } from '@parley/db'

/** What rules did lately in some conversations. */
export type Applications = {
  /** How many rules stand one behind the other before this event; 0: no rule caused it. */
  depthOf: (event: EventRow) => number
  /** How often one was applied to its conversation in the last minute. */
  countOf: (event: EventRow) => number
  add: (event: EventRow) => void
}

/** A rule's events are of the transaction in which it was applied: there stands how deep that was. */
export async function readApplications(trx: Trx, events: EventRow[], now: Date): Promise<Applications> {
  const ids = [...new Set(events.map(({ conversation_id }) => conversation_id!))]
  const xacts = [...new Set(events.filter(event => event.actor_type === 'rule').map(({ xact }) => xact))]
  const minuteAgo = new Date(now.getTime() - 60_000)
  const depths = new Map<string, number>()
  const counts = new Map<string, number>()
  for (const { conversation_id, xact, at, data } of await listApplied(trx, ids, minuteAgo, xacts)) {
    const { depth, rule_id } = data as { depth: number; rule_id: string }
    const place = `${conversation_id} ${xact} ${rule_id}`
    depths.set(place, Math.max(depth, depths.get(place) ?? 0))
    if (at > minuteAgo) counts.set(conversation_id!, (counts.get(conversation_id!) ?? 0) + 1)
  }
  const countOf = ({ conversation_id }: EventRow) => counts.get(conversation_id!) ?? 0
  return {
    depthOf: ({ conversation_id, xact, actor_type, actor_id }) =>
      actor_type === 'rule' ? (depths.get(`${conversation_id} ${xact} ${actor_id}`) ?? 0) : 0,
    countOf,
    add: event => void counts.set(event.conversation_id!, countOf(event) + 1),
  }
}
