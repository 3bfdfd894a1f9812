export const ROLES = ['agent', 'lead', 'admin'] as const
export type Role = (typeof ROLES)[number]

export const ACTOR_TYPES = ['user', 'api_key', 'rule', 'contact', 'system', 'expert'] as const
export type ActorType = (typeof ACTOR_TYPES)[number]

/** Who caused a change, as events record it. */
export type Actor = { type: ActorType; id: string | null }

export const SYSTEM: Actor = { type: 'system', id: null }

/** Who of a workspace can write something: a person, or an integration by its key. */
export const MEMBER_TYPES = ['user', 'api_key'] as const
export type MemberType = (typeof MEMBER_TYPES)[number]
export type Member = { type: MemberType; id: string }

const RANK: Record<Role, number> = { agent: 1, lead: 2, admin: 3 }

/** Whether a role may do what is open from another one upwards. */
export const atLeast = (role: Role, needed: Role): boolean => RANK[role] >= RANK[needed]
