import type { Trx } from '@parley/db'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ApiContext } from './context.ts'
import type { Cursors } from './cursors.ts'

/** Reads a list page by page: asks for one row more than it shows, to know whether there is another page. */
export async function page<Row, Position>(
  cursors: Cursors,
  request: FastifyRequest<{ Querystring: { limit: number; cursor?: string | undefined } }>,
  position: { schema: z.ZodType<Position>; of: (row: Row) => Position },
  load: (page: { limit: number; after: Position | undefined }) => Promise<Row[]>,
): Promise<{ data: Row[]; next_cursor: string | null }> {
  const { limit, cursor, ...filter } = request.query
  const { workspace_id, user_id } = request.credential
  // `me` in a filter is the caller, so a cursor goes on for the same caller alone.
  const scope = [workspace_id, user_id, request.routeOptions.url, request.params, filter]
  const after = cursor === undefined ? undefined : cursors.decode(scope, cursor, position.schema)
  const rows = await load({ limit: limit + 1, after })
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return { data, next_cursor: rows.length > limit && last ? cursors.encode(scope, position.of(last)) : null }
}

/** A list in order of creation. */
export async function pageById<Row extends { id: string }>(
  ctx: ApiContext,
  cursors: Cursors,
  request: FastifyRequest<{ Querystring: { limit: number; cursor?: string | undefined } }>,
  list: (trx: Trx, page: { limit: number; after?: string | undefined }) => Promise<Row[]>,
): Promise<{ data: Row[]; next_cursor: string | null }> {
  const position = { schema: z.string(), of: (row: Row) => row.id }
  return ctx.db.inWorkspace(request.credential.workspace_id, trx =>
    page(cursors, request, position, next => list(trx, next)),
  )
}
