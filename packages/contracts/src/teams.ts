import { z } from 'zod'
import { id, instantOut, name } from './common.ts'

export const teamBody = z.strictObject({ name })
export const teamView = z.object({ id, name: z.string(), created_at: instantOut }).meta({ id: 'Team' })

/** Somebody or something by id and name. */
const named = z.object({ id, name: z.string() }).meta({ id: 'Named' })

export const teamMembersView = z.object({ users: z.array(named) }).meta({ id: 'TeamMembers' })
export const teamMemberParams = z.strictObject({ id, user_id: id })

export const inboxMembersView = z
  .object({ open_to_all: z.boolean(), users: z.array(named), teams: z.array(named) })
  .meta({ id: 'InboxMembers' })
export const inboxUserParams = z.strictObject({ id, user_id: id })
export const inboxTeamParams = z.strictObject({ id, team_id: id })
