import { ROLES } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, name } from './common.ts'

const role = z.enum(ROLES)

export const userBody = z.strictObject({
  name,
  email: z.email().max(254).nullable().default(null),
  role,
})

export const userView = z
  .object({ id, name: z.string(), email: z.string().nullable(), role, created_at: instantOut })
  .meta({ id: 'User' })

export const apiKeyBody = z.strictObject({
  name,
  role,
  /** The person this key acts as; without it the key is an integration. */
  user_id: id.nullable().default(null),
  expires_at: instantIn.nullable().default(null),
})

export const apiKeyView = z
  .object({
    id,
    name: z.string(),
    role,
    user_id: id.nullable(),
    key_hint: z.string(),
    created_at: instantOut,
    expires_at: instantOut.nullable(),
    revoked_at: instantOut.nullable(),
  })
  .meta({ id: 'ApiKey' })

/** `key` is shown here and never again. */
export const apiKeyCreatedView = apiKeyView.extend({ key: z.string() }).meta({ id: 'ApiKeyCreated' })

export const meView = z
  .object({
    workspace: z.object({ id, name: z.string() }),
    role,
    user: userView.nullable(),
    api_key_id: id,
  })
  .meta({ id: 'Me' })
