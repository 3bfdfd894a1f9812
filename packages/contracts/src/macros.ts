import { VIEW_SCOPES } from '@parley/domain'
import { z } from 'zod'
import { id, idParams, instantOut, name } from './common.ts'
import { actionOutcome, macroActions } from './conversation-actions.ts'

export const macroBody = z.strictObject({
  name,
  /** Who sees it: the one who saves it, a team, or everybody. */
  scope: z.enum(VIEW_SCOPES).default('personal'),
  team_id: id.optional(),
  actions: macroActions,
})

export const macroPatch = z.strictObject({ name: name.optional(), actions: macroActions.optional() })

export const macroView = z
  .object({
    id,
    name: z.string(),
    scope: z.enum(VIEW_SCOPES),
    team_id: id.nullable(),
    actions: z.unknown(),
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Macro' })

export const macroRunParams = idParams.extend({ macro_id: id })
export const macroRunBody = z.strictObject({
  /** The last message that was seen; with a reply in it, the macro is refused when anybody has said something since. */
  seen_up_to: id.optional(),
  /** Reply whatever was said since, and also to a customer who is not to be contacted. */
  force: z.boolean().default(false),
  /** Tell what would happen, and do nothing. */
  dry_run: z.boolean().default(false),
})
export const macroRun = z
  .object({ macro_id: id, version: z.int(), dry_run: z.boolean(), actions: z.array(actionOutcome) })
  .meta({ id: 'MacroRun' })
