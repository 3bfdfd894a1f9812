import {
  CHANNEL_KINDS,
  CONVERSATION_PRIORITIES,
  CONVERSATION_STATUSES,
  DISPOSITIONS,
  RULE_TRIGGERS,
  type RuleCondition,
} from '@parley/domain'
import { z } from 'zod'
import { attributeKey, attributeValue } from './attributes.ts'
import { id, instantIn, instantOut, language, name, safeText } from './common.ts'
import { ruleActions } from './conversation-actions.ts'
import { tagName } from './conversation-list.ts'

const MAX_DEPTH = 5
const MAX_PARTS = 100
const MAX_CHOICES = 50
const LONGEST_WAIT_SECONDS = 366 * 24 * 3600
export const MAX_SIMULATED_EVENTS = 5_000

const some = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(MAX_CHOICES).optional()
const word = z.string().regex(/^[a-z_]{1,50}$/, 'must be a word such as complaint')
const phrase = safeText(200)
const orNobody = z.union([z.literal('none'), id])

/** A field that an event changed, or one attribute among them. */
const changedField = z
  .string()
  .regex(/^([a-z_]{1,50}|attributes\.[a-z][a-z0-9_]{0,63})$/, 'must be a field, or one such as attributes.tier')
const bound = z.union([z.number(), safeText(10)]).optional()
const range = z
  .strictObject({ at_least: bound, at_most: bound })
  .refine(({ at_least, at_most }) => at_least !== undefined || at_most !== undefined, 'needs at_least or at_most')
const attributes = z
  .record(attributeKey, z.union([z.array(attributeValue).min(1).max(MAX_CHOICES), range, attributeValue]))
  .refine(given => Object.keys(given).length > 0, 'must name one')
  .refine(given => Object.keys(given).length <= MAX_CHOICES, `must be at most ${MAX_CHOICES}`)
  .optional()

const condition: z.ZodType<RuleCondition> = z
  .lazy(() =>
    z.strictObject({
      all: some(condition),
      any: some(condition),
      not: condition.optional(),
      event_type: some(z.enum(RULE_TRIGGERS)),
      changed: some(changedField),
      previous_status: some(z.enum(CONVERSATION_STATUSES)),
      inbox_id: some(id),
      channel_id: some(id),
      channel_kind: some(z.enum(CHANNEL_KINDS)),
      status: some(z.enum(CONVERSATION_STATUSES)),
      priority: some(z.enum(CONVERSATION_PRIORITIES)),
      assignee_id: some(orNobody),
      team_id: some(orNobody),
      language: some(language),
      tag: some(tagName),
      do_not_contact: z.boolean().optional(),
      waiting_longer_than_seconds: z.int().min(0).max(LONGEST_WAIT_SECONDS).optional(),
      attributes,
      contact_attributes: attributes,
      post_id: some(id),
      post_surging: z.boolean().optional(),
      text_contains: some(phrase),
      text_has_words: some(phrase),
      first_message: z.boolean().optional(),
      disposition: some(z.enum(DISPOSITIONS)),
      question: z.boolean().optional(),
      sentiment: some(word),
      kind: some(word),
      proposed_priority: some(z.enum(CONVERSATION_PRIORITIES)),
      proposed_disposition: some(word),
    }),
  )
  .meta({ id: 'RuleCondition' })

const insideOf = ({ all = [], any = [], not }: RuleCondition) => [...all, ...any, ...(not ? [not] : [])]
const depthOf = (one: RuleCondition): number => 1 + Math.max(0, ...insideOf(one).map(depthOf))
const partsOf = (one: RuleCondition): number => 1 + insideOf(one).reduce((sum, inner) => sum + partsOf(inner), 0)

const conditions = condition
  .refine(one => depthOf(one) <= MAX_DEPTH, `stands in each other more than ${MAX_DEPTH} deep`)
  .refine(one => partsOf(one) <= MAX_PARTS, `has more than ${MAX_PARTS} parts`)

const fields = {
  name,
  /** Rules are tried in this order. */
  position: z.int().min(0).max(1_000_000),
  enabled: z.boolean(),
  /** Null: in every inbox. */
  inbox_ids: z.array(id).min(1).max(MAX_CHOICES).nullable(),
  triggers: z.array(z.enum(RULE_TRIGGERS)).min(1).max(RULE_TRIGGERS.length),
  conditions,
  actions: ruleActions,
  /** Where it applies, no later rule is tried for the same event. */
  stop: z.boolean(),
}

export const ruleBody = z.strictObject({
  ...fields,
  position: fields.position.default(100),
  enabled: fields.enabled.default(true),
  inbox_ids: fields.inbox_ids.default(null),
  conditions: fields.conditions.default({}),
  stop: fields.stop.default(false),
})
export const rulePatch = z.strictObject(fields).partial()

export const ruleView = z
  .object({
    id,
    name: z.string(),
    position: z.int(),
    enabled: z.boolean(),
    inbox_ids: z.array(id).nullable(),
    triggers: z.array(z.string()),
    conditions: z.unknown(),
    actions: z.unknown(),
    stop: z.boolean(),
    version: z.int(),
    failing_since: instantOut.nullable().meta({
      description:
        'Since when an action of it has been refused each time it was applied; null: the last time it worked.',
    }),
    last_error: z.string().nullable(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Rule' })

export const simulateBody = z
  .strictObject({
    /** A rule as it is saved; or one as it would be. */
    rule_id: id.optional(),
    rule: z
      .strictObject({
        inbox_ids: fields.inbox_ids.default(null),
        triggers: fields.triggers,
        conditions: conditions.default({}),
      })
      .optional(),
    /** So many of the latest events that the rule waits for, at most. */
    events: z.int().min(1).max(MAX_SIMULATED_EVENTS).default(1_000),
    /** None older than this. */
    since: instantIn.optional(),
  })
  .refine(({ rule_id, rule }) => (rule_id === undefined) !== (rule === undefined), 'takes either rule_id or rule')

export const simulation = z
  .object({
    events: z.int().meta({
      description: 'How many events were looked at; one of a post counts for each conversation that it is tried on.',
    }),
    matched: z.int(),
    looked_back_to: instantOut.nullable(),
    complete: z.boolean().meta({ description: 'False where time was over before everything asked for was looked at.' }),
    samples: z.array(
      z.object({
        event_id: id,
        event_type: z.string(),
        at: instantOut,
        conversation_id: id,
        matched: z.boolean(),
        decided_by: z.string().meta({ description: 'The place in the conditions that decided, as a JSON pointer.' }),
      }),
    ),
  })
  .meta({ id: 'RuleSimulation' })
