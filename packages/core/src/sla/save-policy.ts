import { isDeepStrictEqual } from 'node:util'
import { appendEvents, findCalendar, findPolicy, insertPolicyVersion, type PolicyRow, type Trx } from '@parley/db'
import {
  type Actor,
  type Calendar,
  compileCalendar,
  DomainError,
  dueAt,
  everyTarget,
  type PolicyCondition,
  type SlaTargets,
} from '@parley/domain'
import { refuseImpossible } from '../calendars/refuse-impossible.ts'

/** Everything that a version of a policy keeps. */
export type PolicyContent = {
  name: string
  /** Policies are tried in this order. */
  position: number
  enabled: boolean
  calendar_id: string
  /** Null: it promises only where an inbox names it. */
  conditions: PolicyCondition | null
  targets: SlaTargets
  /** Whether what we say at the top of a public thread answers everybody who waits in it. */
  top_level_reply_answers_all: boolean
  /** What began to wait earlier gets no clock. */
  enforce_from: Date
}

/** What is stored of it. */
export const asStored = ({ conditions, targets, ...plain }: PolicyContent) => ({
  ...plain,
  conditions: conditions && JSON.stringify(conditions),
  targets: JSON.stringify(targets),
})

/** @throws DomainError `validation_failed` for an unknown calendar, or a target that would take it over ten years */
export async function refuseUnkeepable(trx: Trx, { calendar_id, targets }: PolicyContent, now: Date): Promise<void> {
  const calendar = await findCalendar(trx, calendar_id)
  if (!calendar) throw new DomainError('validation_failed', 'calendar_id names no calendar of this workspace.')
  const compiled = compileCalendar(calendar.definition as Calendar)
  for (const seconds of everyTarget(targets)) refuseImpossible(() => dueAt(compiled, now, seconds))
}

/** What a policy says in its present version. */
export function contentOf(policy: PolicyRow): PolicyContent {
  const { name, position, enabled, calendar_id, conditions, targets, top_level_reply_answers_all, enforce_from } =
    policy
  return { name, position, enabled, calendar_id, conditions, targets, top_level_reply_answers_all, enforce_from }
}

/** Whether two policies say the same, whatever the order in which they say it. */
export function saysTheSame(policy: PolicyRow, content: PolicyContent): boolean {
  // What is absent is left out, as it is where it is stored.
  const plain = (value: PolicyContent) => JSON.parse(JSON.stringify(value))
  return isDeepStrictEqual(plain(contentOf(policy)), plain(content))
}

/**
 * Makes the next version of a policy whose lock is held; open clocks keep the one they started with. What says the same
 * makes none.
 * @throws DomainError `validation_failed` as refuseUnkeepable
 */
export async function savePolicyVersion(
  trx: Trx,
  present: PolicyRow,
  content: PolicyContent,
  author: Actor,
  now: Date,
): Promise<PolicyRow> {
  if (saysTheSame(present, content)) return present
  await refuseUnkeepable(trx, content, now)
  const [policy_id, version] = [present.id, present.version + 1]
  const by = { created_at: now, created_by_type: author.type, created_by_id: author.id }
  await insertPolicyVersion(trx, { ...asStored(content), policy_id, version, ...by })
  const previous = { name: present.name, version: present.version }
  const data = { policy_id, name: content.name, version }
  await appendEvents(trx, [{ type: 'sla_policy.updated', at: now, actor: author, data, previous }])
  return (await findPolicy(trx, policy_id))!
}
