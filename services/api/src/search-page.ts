import type { SearchPosition } from '@parley/core'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Cursors } from './cursors.ts'

const instant = z.iso.datetime().transform(text => new Date(text))
const position = z.object({ at: instant, id: z.string(), as_of: instant, score: z.number().optional() })

/** One page of a search, which knows by itself where it goes on: a page may be short and not be the last. */
export async function searchPage<Row>(
  cursors: Cursors,
  request: FastifyRequest<{ Querystring: { limit: number; cursor?: string | undefined } }>,
  load: (page: {
    limit: number
    after: SearchPosition | undefined
  }) => Promise<{ data: Row[]; next: SearchPosition | null }>,
): Promise<{ data: Row[]; next_cursor: string | null }> {
  const { limit, cursor, ...filter } = request.query
  const { workspace_id, user_id } = request.credential
  const scope = ['search', workspace_id, user_id, request.routeOptions.url, filter]
  const after = cursor === undefined ? undefined : cursors.decode(scope, cursor, position)
  const { data, next } = await load({ limit, after })
  return { data, next_cursor: next && cursors.encode(scope, next) }
}
