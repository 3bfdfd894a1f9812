import {
  appendEvents,
  type Credential,
  deleteRule,
  insertRule,
  lockRule,
  newId,
  type Rule,
  seesEverything,
  type Trx,
  updateRule,
} from '@parley/db'
import { type ConversationAction, DomainError, type Member, NotFound, type RuleCondition } from '@parley/domain'

/** Who saves a rule, and what they see. */
export type RuleAuthor = { actor: Member; reach: Pick<Credential, 'role' | 'inbox_ids'> }

/** Checked already: it names only what is there. */
export type RuleDraft = {
  name: string
  position: number
  enabled: boolean
  inbox_ids: string[] | null
  triggers: string[]
  conditions: RuleCondition
  actions: ConversationAction[]
  stop: boolean
}
export type RuleChange = { [F in keyof RuleDraft]?: RuleDraft[F] | undefined }

/** Keeps a rule; it counts from the next event on. @throws DomainError `forbidden` */
export async function createRule(trx: Trx, draft: RuleDraft, author: RuleAuthor, now: Date): Promise<Rule> {
  refuseUnlessTheirs(draft.inbox_ids, author)
  const stamps = { id: newId(now), created_at: now, updated_at: now }
  const rule = await insertRule(trx, { ...stamps, ...columnsOf(draft) })
  await log(trx, 'rule.created', rule, author, now)
  return rule
}

/** Makes the next version of a rule. @throws NotFound, or DomainError `forbidden`, `version_mismatch` */
export async function changeRule(
  trx: Trx,
  id: string,
  change: RuleChange,
  expected_version: number,
  author: RuleAuthor,
  now: Date,
): Promise<Rule> {
  const rule = await lockTheirs(trx, id, author)
  if (rule.version !== expected_version)
    throw new DomainError('version_mismatch', 'The rule has changed since you read it.')
  if (change.inbox_ids !== undefined) refuseUnlessTheirs(change.inbox_ids, author)
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  const health = { failing_since: null, last_error: null }
  const next = columnsOf({ ...(rule as unknown as RuleDraft), ...given })
  const changed = await updateRule(trx, id, { ...next, ...health, updated_at: now })
  await log(trx, 'rule.updated', changed, author, now, snapshot(rule))
  return changed
}

/** @throws NotFound, or DomainError `forbidden` */
export async function removeRule(trx: Trx, id: string, author: RuleAuthor, now: Date): Promise<Rule> {
  const rule = await lockTheirs(trx, id, author)
  await deleteRule(trx, id)
  await log(trx, 'rule.deleted', rule, author, now)
  return rule
}

const columnsOf = ({ name, position, enabled, inbox_ids, triggers, conditions, actions, stop }: RuleDraft) => ({
  ...{ name, position, enabled, inbox_ids, triggers, stop },
  conditions: JSON.stringify(conditions),
  actions: JSON.stringify(actions),
})

function snapshot({ name, position, enabled, inbox_ids, triggers, conditions, actions, stop, version }: Rule) {
  return { name, position, enabled, inbox_ids, triggers, conditions, actions, stop, version }
}

async function log(
  trx: Trx,
  type: 'rule.created' | 'rule.updated' | 'rule.deleted',
  rule: Rule,
  { actor }: RuleAuthor,
  now: Date,
  previous?: Record<string, unknown>,
): Promise<void> {
  const data = { rule_id: rule.id, ...snapshot(rule) }
  await appendEvents(trx, [{ type, at: now, actor, data, ...(previous ? { previous } : {}) }])
}

async function lockTheirs(trx: Trx, id: string, author: RuleAuthor): Promise<Rule> {
  const rule = await lockRule(trx, author.reach, id)
  if (!rule) throw new NotFound('rule')
  refuseUnlessTheirs(rule.inbox_ids, author)
  return rule
}

function refuseUnlessTheirs(inbox_ids: string[] | null, { reach }: RuleAuthor): void {
  if (inbox_ids === null && !seesEverything(reach))
    throw new DomainError('forbidden', 'Rules of every inbox are saved by administrators.')
}
