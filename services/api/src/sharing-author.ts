import type { ViewAuthor } from '@parley/core'
import { listTeamIdsOf, type Trx } from '@parley/db'
import type { FastifyRequest } from 'fastify'

/** The caller as whoever owns views and macros, with the teams whose things they see. */
export async function sharingAuthor(
  trx: Trx,
  { credential: { user_id, role }, actor }: FastifyRequest,
): Promise<ViewAuthor> {
  return { user_id, role, actor, team_ids: user_id ? await listTeamIdsOf(trx, user_id) : [] }
}
