import { appendEvents, type EventRow, listRulesFor, type Rule, recordRuleHealth, type Trx } from '@parley/db'
import {
  type ActionOutcome,
  type Actor,
  type ConversationAction,
  fieldsOf,
  judge,
  MAX_APPLIED_PER_MINUTE,
  MAX_RULE_DEPTH,
  type RuleCondition,
} from '@parley/domain'
import { applyActions } from '../actions/apply-actions.ts'
import { type Applications, readApplications } from './applications.ts'
import { readSurroundings, readTags, type Surroundings } from './read-facts.ts'

/** History starts nothing. */
const isHistory = ({ data }: EventRow) => (data as { history?: unknown } | null)?.history === true

/**
 * Tries all rules on each of these events, in their order, in the caller's transaction: what one of them changes the
 * next one sees. An action that is refused is recorded with its rule and holds up nothing. Returns how often a rule was
 * applied.
 */
export async function applyRules(trx: Trx, events: EventRow[], now: Date): Promise<number> {
  const told = events.filter(event => event.conversation_id && !isHistory(event))
  if (told.length === 0) return 0
  const rules = await listRulesFor(trx, [...new Set(told.map(({ type }) => type))])
  const triggers = new Set(rules.flatMap(rule => rule.triggers))
  const awaited = told.filter(({ type }) => triggers.has(type))
  if (awaited.length === 0) return 0
  const asked = new Set(rules.flatMap(({ conditions }) => [...fieldsOf(conditions as RuleCondition)]))
  const around = await readSurroundings(trx, awaited, asked, now, { lock: true })
  const applications = await readApplications(trx, awaited, now)
  let applied = 0
  for (const event of awaited) {
    const mine = rules.filter(rule => rule.triggers.includes(event.type))
    applied += await tryRules(trx, event, mine, around, applications, now)
  }
  return applied
}

async function tryRules(
  trx: Trx,
  event: EventRow,
  rules: Rule[],
  around: Surroundings,
  applications: Applications,
  now: Date,
): Promise<number> {
  const depth = applications.depthOf(event)
  let applied = 0
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
    if (reason) {
      await logStopped(trx, rule, event, reason, now)
      return applied
    }
    await apply(trx, rule, event, depth + 1, around, now)
    applications.add(event)
    applied += 1
    if (rule.stop) return applied
  }
  return applied
}

async function apply(
  trx: Trx,
  rule: Rule,
  event: EventRow,
  depth: number,
  around: Surroundings,
  now: Date,
): Promise<void> {
  const before = around.conversations.get(event.conversation_id!)!
  const actor = { type: 'rule' as const, id: rule.id }
  const actions = rule.actions as ConversationAction[]
  const { conversation, outcomes } = await applyActions(trx, before, actions, { actor, user_id: null }, now)
  around.conversations.set(conversation.id, conversation)
  if (actions.some(({ type }) => type.endsWith('_tag'))) {
    around.tags.set(conversation.id, (await readTags(trx, [conversation.id])).get(conversation.id) ?? [])
  }
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
