import type { ConversationPriority, ConversationStatus } from '../conversation.ts'
import { judge, type RuleCondition, type RuleFacts } from '../rules/condition.ts'
import type { SlaMetric } from './metric.ts'

/** What is promised for one metric, in seconds of open time. */
export type SlaTarget = {
  seconds: number
  /** Instead, for conversations of that priority. */
  by_priority?: Partial<Record<ConversationPriority, number>> | undefined
  /** Each so long before it falls due, it is told that it is about to. */
  warn_before_seconds?: number[] | undefined
  /** The states of a conversation in which the clock stands still. */
  pauses_in?: ConversationStatus[] | undefined
}
export type SlaTargets = Partial<Record<SlaMetric, SlaTarget | undefined>>

type ConditionField = 'inbox_id' | 'channel_id' | 'channel_kind' | 'priority' | 'team_id' | 'language' | 'tag'
/** Written and judged as a rule's conditions are, of what stays known while nothing happens. */
export type PolicyCondition = Pick<RuleCondition, ConditionField> & {
  all?: PolicyCondition[] | undefined
  any?: PolicyCondition[] | undefined
  not?: PolicyCondition | undefined
}
/** What policies look at. */
export type PolicyFacts = Pick<
  RuleFacts,
  'inbox_id' | 'channel_id' | 'channel_kind' | 'priority' | 'team_id' | 'language' | 'tags'
>

/** `conditions` null: it promises only where an inbox names it. */
export type ConditionedPolicy = { policy_id: string; conditions: PolicyCondition | null }

/**
 * The policy that promises: the first whose conditions hold; where none does, the one that the inbox names.
 * @param policies in their order
 */
export function choosePolicy<P extends ConditionedPolicy>(
  policies: P[],
  facts: PolicyFacts,
  named_by_inbox: string | null,
): P | undefined {
  return (
    policies.find(({ conditions }) => conditions !== null && holds(conditions, facts)) ??
    policies.find(({ policy_id }) => policy_id === named_by_inbox)
  )
}

// A policy's conditions ask for nothing else.
const holds = (conditions: PolicyCondition, facts: PolicyFacts) => judge(conditions, facts as RuleFacts).holds

/** The fields that a condition looks at, at any depth. */
export function mentionedFields({ all = [], any = [], not, ...fields }: PolicyCondition): Set<string> {
  const inside = [...all, ...any, ...(not ? [not] : [])].flatMap(one => [...mentionedFields(one)])
  return new Set([...Object.keys(fields), ...inside])
}

/** What is promised to a conversation of that priority. */
export const targetSeconds = ({ seconds, by_priority }: SlaTarget, priority: ConversationPriority): number =>
  by_priority?.[priority] ?? seconds

/** Every target that a policy may come to, in seconds. */
export const everyTarget = (targets: SlaTargets): number[] =>
  Object.values(targets).flatMap(target => (target ? [target.seconds, ...Object.values(target.by_priority ?? {})] : []))
