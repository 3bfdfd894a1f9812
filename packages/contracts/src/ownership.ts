import { ACTOR_TYPES, ASSIGNMENT_REASONS, EXCLUSIONS, MANUAL, ROUTING_MODES, ROUTING_RULES } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, name, safeText } from './common.ts'

const MAX_WORDS = 50
const skill = safeText(100)

/** How conversations of an inbox find an owner by themselves. */
export const routingBody = z.strictObject({
  mode: z.enum(ROUTING_MODES),
  match_skills: z.boolean().default(MANUAL.match_skills),
  /** What everybody who is given something needs. */
  required_skills: z.array(skill).max(MAX_WORDS).default(MANUAL.required_skills),
  /** What a tag asks for besides: the skill by the tag's name. */
  tag_skills: z
    .record(name, skill)
    .refine(skills => Object.keys(skills).length <= MAX_WORDS, `at most ${MAX_WORDS}`)
    .default(MANUAL.tag_skills),
  match_language: z.boolean().default(MANUAL.match_language),
  returning_customer: z.boolean().default(MANUAL.returning_customer),
})
export const routingView = z
  .object({
    mode: z.enum(ROUTING_MODES),
    match_skills: z.boolean(),
    required_skills: z.array(z.string()),
    tag_skills: z.record(z.string(), z.string()),
    match_language: z.boolean(),
    returning_customer: z.boolean(),
  })
  .meta({ id: 'Routing' })

const MAX_LEASE_SECONDS = 7 * 24 * 3600
export const claimLease = z.int().min(1).max(MAX_LEASE_SECONDS).nullable()

/** `from` is the team the caller saw: the write is refused when another one has it by now. */
export const teamChange = z.strictObject({ team_id: id.nullable(), from: id.nullable() })

/** One change of owner. */
export const assignmentView = z
  .object({
    id,
    conversation_id: id,
    assignee_id: id.nullable(),
    previous_assignee_id: id.nullable(),
    actor: z.object({ type: z.enum(ACTOR_TYPES), id: id.nullable() }),
    at: instantOut,
    reason: z
      .enum(ASSIGNMENT_REASONS)
      .nullable()
      .meta({ description: 'How it came about; null for what happened before this was kept.' }),
    decision: z
      .object({
        rule: z.enum(ROUTING_RULES),
        words: z.string(),
        candidates: z.array(z.object({ user_id: id, load: z.int(), excluded: z.enum(EXCLUSIONS).nullable() })),
      })
      .nullable()
      .meta({ description: 'Why they, where nobody said so: everybody who works in the inbox, as they were then.' }),
  })
  .meta({ id: 'Assignment' })
