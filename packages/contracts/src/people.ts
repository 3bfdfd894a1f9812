import { AVAILABILITIES, ROLES, USER_STATUSES } from '@parley/domain'
import { z } from 'zod'
import { email, id, instantOut, name } from './common.ts'

const role = z.enum(ROLES)

export const userBody = z.strictObject({
  name,
  email: email.nullable().default(null),
  role,
})

export const userView = z
  .object({
    id,
    name: z.string(),
    email: z.string().nullable(),
    role,
    status: z.enum(USER_STATUSES),
    languages: z.array(z.string()),
    skills: z.array(z.string()),
    capacity: z.int().nullable(),
    availability: z.enum(AVAILABILITIES),
    out_of_office_until: instantOut.nullable(),
    created_at: instantOut,
  })
  .meta({ id: 'User' })

export const meView = z
  .object({
    workspace: z.object({ id, name: z.string() }),
    role,
    user: userView.nullable(),
    /** What the call was made with: one of the two. */
    api_key_id: id.nullable(),
    session_id: id.nullable(),
    /** The inboxes that can be seen; null: all. */
    inbox_ids: z.array(id).nullable(),
  })
  .meta({ id: 'Me' })
