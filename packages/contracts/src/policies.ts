import {
  CHANNEL_KINDS,
  CONVERSATION_PRIORITIES,
  CONVERSATION_STATUSES,
  PAUSABLE_METRICS,
  type PolicyCondition,
  PROMISED_METRICS,
  type SlaMetric,
} from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, language, name } from './common.ts'
import { tagName } from './conversation-list.ts'

const MAX_TARGET_SECONDS = 366 * 24 * 3600
const MAX_WARNINGS = 5
const MAX_CHOICES = 50
const MAX_DEPTH = 5
const MAX_PARTS = 100

const some = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(MAX_CHOICES).optional()

const condition: z.ZodType<PolicyCondition> = z
  .lazy(() =>
    z.strictObject({
      all: some(condition),
      any: some(condition),
      not: condition.optional(),
      inbox_id: some(id),
      channel_id: some(id),
      channel_kind: some(z.enum(CHANNEL_KINDS)),
      priority: some(z.enum(CONVERSATION_PRIORITIES)),
      team_id: some(z.union([z.literal('none'), id])),
      language: some(language),
      tag: some(tagName),
    }),
  )
  .meta({ id: 'PolicyCondition' })

const insideOf = ({ all = [], any = [], not }: PolicyCondition) => [...all, ...any, ...(not ? [not] : [])]
const depthOf = (one: PolicyCondition): number => 1 + Math.max(0, ...insideOf(one).map(depthOf))
const partsOf = (one: PolicyCondition): number => 1 + insideOf(one).reduce((sum, inner) => sum + partsOf(inner), 0)

const conditions = condition
  .refine(one => depthOf(one) <= MAX_DEPTH, `stands in each other more than ${MAX_DEPTH} deep`)
  .refine(one => partsOf(one) <= MAX_PARTS, `has more than ${MAX_PARTS} parts`)
  .nullable()
  .meta({
    description:
      'The first policy whose conditions hold promises; {} always holds. Null: it promises only where an inbox names it, and no other does.',
  })

const seconds = z.int().min(1).max(MAX_TARGET_SECONDS)
const target = z.strictObject({
  seconds: seconds.meta({ description: 'Of open time.' }),
  by_priority: z
    .strictObject(Object.fromEntries(CONVERSATION_PRIORITIES.map(priority => [priority, seconds.optional()])))
    .optional()
    .meta({ description: 'Instead, for conversations of that priority.' }),
  warn_before_seconds: z
    .array(seconds)
    .min(1)
    .max(MAX_WARNINGS)
    .refine(list => new Set(list).size === list.length, 'names one twice')
    .optional()
    .meta({ description: 'sla.warned is told each so much open time before it falls due.' }),
})
/** No customer waits for these: their clocks may stand still. */
const pausable = target.extend({
  pauses_in: z
    .array(z.enum(CONVERSATION_STATUSES).exclude(['open', 'resolved', 'spam']))
    .optional()
    .meta({ description: 'The states of a conversation in which the clock stands still; ["pending"] when absent.' }),
})

const isPausable = (metric: SlaMetric) => (PAUSABLE_METRICS as readonly SlaMetric[]).includes(metric)
const targets = z
  .strictObject(
    Object.fromEntries(
      PROMISED_METRICS.map(metric => [metric, (isPausable(metric) ? pausable : target).optional()]),
    ) as Record<(typeof PROMISED_METRICS)[number], z.ZodOptional<typeof pausable>>,
  )
  .refine(given => Object.values(given).some(Boolean), 'needs at least one target')

const fields = {
  name,
  /** Policies are tried in this order. */
  position: z.int().min(0).max(1_000_000),
  enabled: z.boolean(),
  calendar_id: id,
  conditions,
  targets,
  top_level_reply_answers_all: z.boolean().meta({
    description:
      'Whether what we say at the top of a public thread answers everybody who waits in it; otherwise only an answer to a customer answers that customer.',
  }),
  /** Waits that began earlier get no clock, so that a new policy does not breach in a mass. Now, when absent. */
  enforce_from: instantIn,
}

export const policyBody = z.strictObject({
  ...fields,
  position: fields.position.default(100),
  enabled: fields.enabled.default(true),
  conditions: fields.conditions.default(null),
  top_level_reply_answers_all: fields.top_level_reply_answers_all.default(false),
  enforce_from: fields.enforce_from.optional(),
})
export const policyPatch = z.strictObject(fields).partial()

const MAX_IMPORTED = 100
/** Counts by the calendar of that name. */
const namedPolicy = policyBody.omit({ calendar_id: true }).extend({ calendar: name })
export const policyImportBody = z.strictObject({
  policies: z
    .array(namedPolicy)
    .min(1)
    .max(MAX_IMPORTED)
    .refine(all => new Set(all.map(policy => policy.name)).size === all.length, 'must not name a policy twice'),
  dry_run: z.boolean().default(false),
})

const view = {
  name: z.string(),
  version: z.int(),
  position: z.int(),
  enabled: z.boolean(),
  calendar_id: id,
  conditions: z.unknown(),
  targets: z.unknown(),
  top_level_reply_answers_all: z.boolean(),
  enforce_from: instantOut,
  created_at: instantOut,
}

export const policyView = z
  .object({ id, ...view, updated_at: instantOut.meta({ description: 'When this version was made.' }) })
  .meta({ id: 'SlaPolicy' })

export const policyVersionView = z
  .object({
    ...view,
    created_by_type: z.string().nullable().meta({ description: 'Null: nobody wrote down who made it.' }),
    created_by_id: id.nullable(),
  })
  .meta({ id: 'SlaPolicyVersion' })
