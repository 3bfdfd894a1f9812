import { type EventRow, listEventsBack, type Reach, seesInbox, type Trx } from '@parley/db'
import { fieldsOf, judge, type RuleCondition } from '@parley/domain'
import { readOccasions } from './occasions.ts'
import { readSurroundings, type Surroundings } from './read-facts.ts'

const PAGE = 500
const MAX_SAMPLES = 20
/** How long it may take, looked at between pages. */
const BUDGET_MS = 3_000

/** What decides whether a rule applies. */
export type RuleToTry = { inbox_ids: string[] | null; triggers: string[]; conditions: RuleCondition }

type Sample = {
  event_id: string
  event_type: string
  at: Date
  conversation_id: string
  matched: boolean
  decided_by: string
}
export type Simulation = {
  events: number
  matched: number
  looked_back_to: Date | null
  complete: boolean
  samples: Sample[]
}

/**
 * Tries a rule on what has happened, from the latest event back, and changes nothing. Conversations are judged as they
 * stand now, and what happened to a post counts for each of its open conversations. What the caller does not see is passed
 * over and not told.
 * @param monotonicMs measures how long it takes
 */
export async function simulateRule(
  trx: Trx,
  rule: RuleToTry,
  { events, since }: { events: number; since?: Date | undefined },
  caller: Reach,
  now: Date,
  monotonicMs: () => number,
): Promise<Simulation> {
  const until = monotonicMs() + BUDGET_MS
  const asked = fieldsOf(rule.conditions)
  const seen = { events: 0, matched: 0, looked_back_to: null as Date | null }
  const samples = { matched: [] as Sample[], others: [] as Sample[] }
  const look = async (events: EventRow[]) => {
    const around = await readSurroundings(trx, events, asked, now, { lock: false })
    for (const event of events) {
      seen.looked_back_to = event.at
      const sample = tryOn(rule, event, around, caller, now)
      if (!sample) continue
      seen.events += 1
      if (sample.matched) seen.matched += 1
      const kept = sample.matched ? samples.matched : samples.others
      if (kept.length < MAX_SAMPLES) kept.push(sample)
    }
  }
  const told = (complete: boolean) => ({ ...seen, complete, samples: [...samples.matched, ...samples.others] })
  let before: EventRow | undefined
  for (let left = events; left > 0; ) {
    if (monotonicMs() > until) return told(false)
    const limit = Math.min(PAGE, left)
    const page = await listEventsBack(trx, rule.triggers, { before, since, limit })
    const met = (await readOccasions(trx, page, [rule])).map(({ event }) => event)
    for (let from = 0; from < met.length; from += PAGE) {
      if (from > 0 && monotonicMs() > until) return told(false)
      await look(met.slice(from, from + PAGE))
    }
    before = page.at(-1)
    left -= limit
    if (page.length < limit) break
  }
  return told(true)
}

/** Undefined for what the rule is not tried on, or the caller does not see. */
function tryOn(
  rule: RuleToTry,
  event: EventRow,
  { conversations, factsOf }: Surroundings,
  caller: Reach,
  now: Date,
): Sample | undefined {
  const { id: event_id, type: event_type, at, data } = event
  const conversation_id = event.conversation_id!
  const inbox_id = conversations.get(conversation_id)?.inbox_id
  const facts = factsOf(event, now)
  if (!inbox_id || !facts || !seesInbox(caller, inbox_id)) return undefined
  if ((data as { history?: unknown } | null)?.history === true) return undefined
  const elsewhere = rule.inbox_ids && !rule.inbox_ids.includes(inbox_id)
  const { holds: matched, decided_by } = elsewhere
    ? { holds: false, decided_by: '/inbox_ids' }
    : judge(rule.conditions, facts, '/conditions')
  return { event_id, event_type, at, conversation_id, matched, decided_by }
}
