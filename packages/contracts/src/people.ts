import { AVAILABILITIES, ROLES, USER_STATUSES } from '@parley/domain'
import { z } from 'zod'
import { email, id, instantIn, instantOut, language, name, safeText } from './common.ts'

const role = z.enum(ROLES)

export const userBody = z.strictObject({
  name,
  email: email.nullable().default(null),
  role,
})

const MAX_WORDS = 50
const distinct = (texts: string[]) => [...new Set(texts)]
const languages = z.array(language).max(MAX_WORDS).transform(distinct)
/** What somebody can be asked for, in the team's own words. */
const skills = z.array(safeText(100)).max(MAX_WORDS).transform(distinct)

export const userPatch = z.strictObject({
  name: name.optional(),
  email: email.nullable().optional(),
  role: role.optional(),
  status: z.enum(USER_STATUSES).optional(),
  languages: languages.optional(),
  skills: skills.optional(),
  /** How many open conversations are enough; null: that is not said. */
  capacity: z.int().min(1).max(1000).nullable().optional(),
})

/** What everybody says of themselves; the rest is for administrators to say. */
export const mePatch = z.strictObject({ name: name.optional(), languages: languages.optional() })

export const availabilityBody = z.strictObject({
  availability: z.enum(AVAILABILITIES),
  /** When they are back from out of office; null: when they say so. */
  until: instantIn.nullable().default(null),
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
