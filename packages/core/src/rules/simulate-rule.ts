import { type EventRow, listEventsBack, type Reach, seesInbox, type Trx } from '@parley/db'
import { fieldsOf, judge, type RuleCondition } from '@parley/domain'
import { readSurroundings } from './read-facts.ts'

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
 * stand now. What the caller does not see is passed over and not told.
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
  const seen = { events: 0, matched: 0, looked_back_to: null as Date | null, complete: true }
  const samples = { matched: [] as Sample[], others: [] as Sample[] }
  let before: EventRow | undefined
  let left = events
  while (left > 0) {
    if (monotonicMs() > until) {
      seen.complete = false
      break
    }
    const limit = Math.min(PAGE, left)
    const page = await listEventsBack(trx, rule.triggers, { before, since, limit })
    const { conversations, factsOf } = await readSurroundings(trx, page, asked, now, { lock: false })
    for (const event of page) {
      seen.looked_back_to = event.at
      const inbox_id = conversations.get(event.conversation_id!)?.inbox_id
      const facts = factsOf(event, now)
      if (!inbox_id || !facts || !seesInbox(caller, inbox_id)) continue
      if ((event.data as { history?: unknown } | null)?.history === true) continue
      seen.events += 1
      const elsewhere = rule.inbox_ids && !rule.inbox_ids.includes(inbox_id)
      const { holds, decided_by } = elsewhere
        ? { holds: false, decided_by: '/inbox_ids' }
        : judge(rule.conditions, facts, '/conditions')
      if (holds) seen.matched += 1
      const { id: event_id, type: event_type, at } = event
      const sample = { event_id, event_type, at, conversation_id: event.conversation_id!, matched: holds, decided_by }
      const kept = holds ? samples.matched : samples.others
      if (kept.length < MAX_SAMPLES) kept.push(sample)
    }
    before = page.at(-1)
    left -= limit
    if (page.length < limit) break
  }
  return { ...seen, samples: [...samples.matched, ...samples.others] }
}
