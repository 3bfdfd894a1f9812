import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { ApiContext } from './context.ts'
import type { Cursors } from './cursors.ts'

/** What every route file is given. */
export type RouteOptions = { ctx: ApiContext; cursors: Cursors }

/** A group of routes whose requests are checked and whose answers are written by their zod schemas. */
export type Routes = FastifyPluginAsyncZod<RouteOptions>
