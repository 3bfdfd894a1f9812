import { auditEntry, auditQuery, pageOf } from '@parley/contracts'
import { listAudit } from '@parley/db'
import { z } from 'zod'
import { describeEvent } from '../describe-event.ts'
import { page } from '../paging.ts'
import type { Routes } from '../zod-plugin.ts'

const byTime = z.object({ at: z.iso.datetime().transform(text => new Date(text)), seq: z.int() })

/** Who did what, and when: the event log as administrators ask it. */
export const auditRoutes: Routes = async (app, { ctx, cursors }) => {
  app.get(
    '/audit',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'List what people and keys did, and sign-ins that failed, newest first',
        querystring: auditQuery,
        response: { 200: pageOf(auditEntry) },
      },
    },
    request => {
      const { actor_id, type: types, from, to } = request.query
      const position = { schema: byTime, of: ({ at, seq }: { at: Date; seq: number }) => ({ at, seq }) }
      return ctx.db.inWorkspace(request.credential.workspace_id, async trx => {
        const found = await page(cursors, request, position, next =>
          listAudit(trx, { actor_id, types, from, to }, next),
        )
        return { ...found, data: found.data.map(describeEvent) }
      })
    },
  )
}
