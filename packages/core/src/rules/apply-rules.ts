import {
  appendEvents,
  type Channel,
  type EventRow,
  listRulesFor,
  type Rule,
  recordRuleHealth,
  type Trx,
} from '@parley/db'
import {
  type ActionOutcome,
  type Actor,
  type ChannelCapabilities,
  type ConversationAction,
  fieldsOf,
  judge,
  MAX_APPLIED_PER_MINUTE,
  MAX_RULE_DEPTH,
  type RuleCondition,
} from '@parley/domain'
import { applyActions } from '../actions/apply-actions.ts'
import type { QueuedAction } from '../batches/advance-batch.ts'
import { type Applications, readApplications } from './applications.ts'
import { isOfAPost, isStill, readOccasions } from './occasions.ts'
import { messageOf, readSurroundings, type Surroundings } from './read-facts.ts'

/** How often a rule was applied, and what is to be done on networks because of that. */
export type RulesRun = { applied: number; acts: QueuedAction[] }

type Turn = {
  trx: Trx
  around: Surroundings
  applications: Applications
  capabilitiesOf: (channel: Channel) => ChannelCapabilities
  now: Date
  run: RulesRun
}

/** History starts nothing. */
const isHistory = ({ data }: EventRow) => (data as { history?: unknown } | null)?.history === true

/**
 * Tries all rules on each of these events, in their order, in the caller's transaction: what one of them changes the
 * next one sees. An action that is refused is recorded with its rule and holds up nothing. What is to be done to messages
 * on their networks is queued in the same transaction: whoever dies leaves both or neither.
 */
export async function applyRules(
  trx: Trx,
  events: EventRow[],
  capabilitiesOf: (channel: Channel) => ChannelCapabilities,
  now: Date,
): Promise<RulesRun> {
  const run: RulesRun = { applied: 0, acts: [] }
  const told = events.filter(event => (event.conversation_id || isOfAPost(event)) && !isHistory(event))
  if (told.length === 0) return run
  const rules = await listRulesFor(trx, [...new Set(told.map(({ type }) => type))])
  const triggers = new Set(rules.flatMap(rule => rule.triggers))
  const awaited = told.filter(({ type }) => triggers.has(type))
  if (awaited.length === 0) return run
  const occasions = await readOccasions(trx, awaited, rules)
  const asked = new Set(rules.flatMap(({ conditions }) => [...fieldsOf(conditions as RuleCondition)]))
  const met = occasions.map(({ event }) => event)
  // All locks at once, in one order, whatever order the rules are tried in.
  const around = await readSurroundings(trx, met, asked, now, { lock: true })
  const turn = { trx, around, applications: await readApplications(trx, met, now), capabilitiesOf, now, run }
  for (const occasion of occasions) {
    const { event, rules: mine } = occasion
    if (isStill(occasion, around.conversations.get(event.conversation_id!))) await tryRules(turn, event, mine)
  }
  return run
}

async function tryRules(turn: Turn, event: EventRow, rules: Rule[]): Promise<void> {
  const { trx, around, applications, now, run } = turn
  const depth = applications.depthOf(event)
  for (const rule of rules) {
    const facts = around.factsOf(event, now)
    if (!facts || (rule.inbox_ids && !rule.inbox_ids.includes(facts.inbox_id))) continue
    // What a rule did itself never sets it off.
    if (event.actor_type === 'rule' && event.actor_id === rule.id) continue
    if (!judge(rule.conditions as RuleCondition, facts).holds) continue
    const reason =
      depth >= MAX_RULE_DEPTH
        ? 'too_deep'
        : applications.countOf(event) >= MAX_APPLIED_PER_MINUTE
          ? 'too_many'
          : undefined
    if (reason) return logStopped(trx, rule, event, reason, now)
    await apply(turn, rule, event, depth + 1)
    applications.add(event)
    run.applied += 1
    if (rule.stop) return
  }
}

async function apply({ trx, around, capabilitiesOf, now, run }: Turn, rule: Rule, event: EventRow, depth: number) {
  const before = around.conversations.get(event.conversation_id!)!
  const actor = { type: 'rule' as const, id: rule.id }
  const actions = rule.actions as ConversationAction[]
  const acting = { actor, user_id: null, on: { message_id: messageOf(event), capabilitiesOf } }
  const { conversation, outcomes, acts } = await applyActions(trx, before, actions, acting, now)
  run.acts.push(...acts)
  await around.reread(trx, event, conversation, actions)
  await logApplied(trx, rule, event, { depth, actions: outcomes }, actor, now)
  await noteHealth(trx, rule, outcomes, now)
}

const causeOf = (rule: Rule, event: EventRow) => {
  const { id: event_id, type: event_type } = event
  return { rule_id: rule.id, version: rule.version, event_id, event_type }
}

async function logApplied(
  trx: Trx,
  rule: Rule,
  event: EventRow,
  what: { depth: number; actions: ActionOutcome[] },
  actor: Actor,
  now: Date,
): Promise<void> {
  const { conversation_id } = event
  const data = { ...causeOf(rule, event), ...what }
  await appendEvents(trx, [{ type: 'rule.applied', at: now, actor, conversation_id, data }])
}

async function logStopped(trx: Trx, rule: Rule, event: EventRow, reason: string, now: Date): Promise<void> {
  const { conversation_id } = event
  const actor = { type: 'rule' as const, id: rule.id }
  const data = { ...causeOf(rule, event), reason }
  await appendEvents(trx, [{ type: 'rule.loop_stopped', at: now, actor, conversation_id, data }])
}

/** Writes only what is new: a rule that works is not written each time it does. */
async function noteHealth(trx: Trx, rule: Rule, outcomes: ActionOutcome[], now: Date): Promise<void> {
  const refused = outcomes.find(({ result }) => result === 'refused')
  const error = refused ? `${refused.type}: ${refused.detail}` : null
  if (error === rule.last_error) return
  await recordRuleHealth(trx, rule.id, error, now)
  rule.last_error = error
}
