import { ROLES } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, name } from './common.ts'

const MAX_OVERLAP_SECONDS = 7 * 24 * 3600
const role = z.enum(ROLES)

export const apiKeyBody = z.strictObject({
  name,
  role,
  /** The person this key acts as; without it the key is an integration. It never does more than that person may. */
  user_id: id.nullable().default(null),
  /** Limits the key to these inboxes; null: it sees what its person sees, or all. Not with the role admin. */
  inbox_ids: z.array(id).min(1).max(200).nullable().default(null),
  expires_at: instantIn.nullable().default(null),
})

/** For how long the former key still opens; at once over when absent. */
export const rotateBody = z.strictObject({ overlap_seconds: z.int().min(0).max(MAX_OVERLAP_SECONDS).default(0) })

export const apiKeyView = z
  .object({
    id,
    name: z.string(),
    role,
    user_id: id.nullable(),
    inbox_ids: z.array(id).nullable(),
    key_hint: z.string(),
    created_at: instantOut,
    expires_at: instantOut.nullable(),
    revoked_at: instantOut.nullable(),
    last_used_at: instantOut.nullable().meta({ description: 'To the minute.' }),
  })
  .meta({ id: 'ApiKey' })

/** `key` is shown here and never again. */
export const apiKeyCreatedView = apiKeyView.extend({ key: z.string() }).meta({ id: 'ApiKeyCreated' })
