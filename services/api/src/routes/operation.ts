import { pendingMigrations } from '@parley/db'
import { z } from 'zod'
import type { Routes } from '../zod-plugin.ts'

const CHECK_TIMEOUT_MS = 2_000

/** For load balancers and Prometheus. Nothing here tells anything about a workspace. */
export const operationRoutes: Routes = async (app, { ctx }) => {
  app.get(
    '/healthz',
    {
      config: { access: 'public' },
      schema: {
        tags: ['Operation'],
        summary: 'The process is alive',
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      config: { access: 'public' },
      schema: {
        tags: ['Operation'],
        summary: 'The process can do its work: database, migrations, queue',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const migrations = await within(pendingMigrations(ctx.db.pool)).catch(() => undefined)
      const queue = await within(ctx.hints.check()).then(
        () => true,
        () => false,
      )
      const ready = migrations?.length === 0
      return reply.code(ready ? 200 : 503).send({
        status: !ready ? 'unavailable' : queue ? 'ok' : 'degraded',
        database: migrations ? 'ok' : 'unavailable',
        migrations: migrations ? (migrations.length === 0 ? 'ok' : 'pending') : 'unknown',
        // Without the queue everything is still stored; it is only worked on later.
        queue: queue ? 'ok' : 'unavailable',
      })
    },
  )

  app.get('/metrics', { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) =>
    reply.type(ctx.metrics.registry.contentType).send(await ctx.metrics.registry.metrics()),
  )
}

const readiness = z.object({
  status: z.enum(['ok', 'degraded', 'unavailable']),
  database: z.enum(['ok', 'unavailable']),
  migrations: z.enum(['ok', 'pending', 'unknown']),
  queue: z.enum(['ok', 'unavailable']),
})

function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timed out')), CHECK_TIMEOUT_MS)
  })
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer))
}
