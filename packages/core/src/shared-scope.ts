import { DomainError, type Role, type ViewScope } from '@parley/domain'

/** Who saves something, and whose teams' things are theirs. */
type Author = { user_id: string | null; team_ids: string[]; role: Role }

/**
 * Whose something will be: one's own, a team's or everybody's.
 * @throws DomainError `forbidden`, or `validation_failed` for a personal one of nobody or a team that is not theirs
 */
export function ownersOf(
  { scope, team_id }: { scope: ViewScope; team_id?: string | undefined },
  author: Author,
): { scope: ViewScope; user_id: string | null; team_id: string | null } {
  refuseUnlessTheirs(scope, author)
  if (scope === 'personal' && !author.user_id)
    throw new DomainError('validation_failed', 'This key acts as no person: save it for the workspace.')
  if ((scope === 'team') !== (team_id !== undefined))
    throw new DomainError('validation_failed', 'team_id goes with scope team, and that with it.')
  if (team_id && author.role !== 'admin' && !author.team_ids.includes(team_id))
    throw new DomainError('validation_failed', 'team_id names no team of yours.')
  return { scope, user_id: scope === 'personal' ? author.user_id : null, team_id: team_id ?? null }
}

/** One's own is one's own business; what is of a team or of everybody is a lead's. @throws DomainError `forbidden` */
export function refuseUnlessTheirs(scope: ViewScope, { role }: Pick<Author, 'role'>): void {
  if (scope === 'personal' || role !== 'agent') return
  throw new DomainError('forbidden', 'What is of a team or of the workspace is saved by leads.')
}
