import { pendingMigrations } from '@parley/db'
import { z } from 'zod'
import { createBacklogMetrics } from '../backlog-metrics.ts'
import { within } from '../within.ts'
import type { Routes } from '../zod-plugin.ts'

const CHECK_TIMEOUT_MS = 2_000

/** For load balancers and Prometheus. Nothing here tells anything about a workspace. */
export const operationRoutes: Routes = async (app, { ctx }) => {
  const backlog = createBacklogMetrics(ctx)

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
        summary: 'The process can do its work: database, migrations, queue, storage',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const migrations = await within(pendingMigrations(ctx.db.pool), CHECK_TIMEOUT_MS).catch(() => undefined)
      const queue = await within(ctx.hints.check(), CHECK_TIMEOUT_MS).then(
        () => true,
        () => false,
      )
      const storage = await within(ctx.blobs.check(), CHECK_TIMEOUT_MS).then(
        () => true,
        () => false,
      )
      const ready = migrations?.length === 0
      return reply.code(ready ? 200 : 503).send({
        status: !ready ? 'unavailable' : queue && storage ? 'ok' : 'degraded',
        database: migrations ? 'ok' : 'unavailable',
        migrations: migrations ? (migrations.length === 0 ? 'ok' : 'pending') : 'unknown',
        // Without the queue everything is still stored; it is only worked on later.
        queue: queue ? 'ok' : 'unavailable',
        // Without the store of attachments everything else goes on.
        storage: storage ? 'ok' : 'unavailable',
      })
    },
  )

  app.get('/metrics', { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) => {
    const { registry } = ctx.metrics
    const [own, waiting] = await Promise.all([registry.metrics(), backlog.text()])
    return reply.type(registry.contentType).send(own + waiting)
  })
}

const readiness = z.object({
  status: z.enum(['ok', 'degraded', 'unavailable']),
  database: z.enum(['ok', 'unavailable']),
  migrations: z.enum(['ok', 'pending', 'unknown']),
  queue: z.enum(['ok', 'unavailable']),
  storage: z.enum(['ok', 'unavailable']),
})
