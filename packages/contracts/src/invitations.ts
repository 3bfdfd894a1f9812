import { ROLES } from '@parley/domain'
import { z } from 'zod'
import { email, id, instantOut, name } from './common.ts'
import { userView } from './people.ts'
import { linkToken, newPassword } from './sessions.ts'

const role = z.enum(ROLES)
const MAX_PLACES = 200

export const invitationBody = z.strictObject({
  email,
  role,
  /** Inboxes and teams that they become members of. An inbox that is open to all stays so. */
  inbox_ids: z.array(id).max(MAX_PLACES).default([]),
  team_ids: z.array(id).max(MAX_PLACES).default([]),
})

export const invitationView = z
  .object({
    id,
    email: z.string(),
    role,
    inbox_ids: z.array(id),
    team_ids: z.array(id),
    created_at: instantOut,
    expires_at: instantOut,
    revoked_at: instantOut.nullable(),
    accepted_at: instantOut.nullable(),
    /** Who they became. */
    user_id: id.nullable(),
  })
  .meta({ id: 'Invitation' })

/** `token` is shown here and never again. `link` is a page of this server with it behind the #, which no server is told. */
const link = { token: z.string(), link: z.string(), expires_at: instantOut }
export const invitationCreatedView = invitationView.extend(link).meta({ id: 'InvitationCreated' })
export const passwordResetView = z.object(link).meta({ id: 'PasswordReset' })

export const acceptInvitationBody = z.strictObject({ token: linkToken, name, password: newPassword })
export const joinedView = z
  .object({ workspace: z.object({ id, name: z.string() }), user: userView })
  .meta({ id: 'Joined' })

export const acceptResetBody = z.strictObject({ token: linkToken, new_password: newPassword })
