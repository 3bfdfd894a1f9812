import { ACTION_VERBS, DISMISSALS, SEND_STATES } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, safeText } from './common.ts'

const MAX_HOLD_SECONDS = 3600
const hold_seconds = z.int().min(1).max(MAX_HOLD_SECONDS).optional()

/** What is to be done to a message on its network. `capabilities` of the channel says what it has. */
export const actionBody = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.enum(['like', 'unlike', 'hide', 'unhide', 'delete']), hold_seconds }),
  z.strictObject({ verb: z.literal('edit'), body: safeText(64 * 1024), hold_seconds }),
])

export const actionParams = z.strictObject({ id, message_id: id })
export const oneActionParams = actionParams.extend({ action_id: id })

/** Why a customer's message needs no answer. */
export const dismissalReason = safeText(200)

/** Why somebody has to look at a customer's message. */
export const flagReason = safeText(200)
export const flagBody = z.strictObject({ reason: flagReason })

/** Why a customer's message needs no answer, and whether it is spam. */
export const dismissBody = z.strictObject({
  reason: dismissalReason,
  as: z.enum(DISMISSALS).default('no_reply_needed'),
})

/** What may be said of messages that are dismissed; empty: anything. */
export const dismissalReasonsBody = z.strictObject({
  reasons: z
    .array(safeText(200))
    .max(50)
    .refine(reasons => new Set(reasons).size === reasons.length, 'Each reason stands once.'),
})
export const dismissalReasons = z.object({ reasons: z.array(z.string()) }).meta({ id: 'DismissalReasons' })

export const actionView = z
  .object({
    id,
    message_id: id,
    conversation_id: id,
    verb: z.enum(ACTION_VERBS),
    body: z.string().nullable(),
    state: z.enum(SEND_STATES),
    state_reason: z.string().nullable(),
    actor_type: z.string().meta({ description: 'user, api_key or rule.' }),
    actor_id: id,
    batch_id: id.nullable().meta({ description: 'The batch that asked for it.' }),
    hold_until: instantOut.nullable(),
    created_at: instantOut,
    done_at: instantOut.nullable(),
  })
  .meta({ id: 'MessageAction' })

export const actions = z.object({ data: z.array(actionView) })
