import { conversationSlaView, idParams, summaryQuery, summaryView } from '@parley/contracts'
import { findConversation, listClocks, listWaits, summariseClocks } from '@parley/db'
import { NotFound, SLA_METRICS } from '@parley/domain'
import type { z } from 'zod'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** What was promised, how long customers wait, and whether the promise is kept. */
export const slaRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.get(
    '/conversations/:id/sla',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Leads'],
        summary: 'The waits and clocks of a conversation',
        params: idParams,
        response: { 200: conversationSlaView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = request.params
        await refuseUnseen(trx, request.credential, 'conversation', id)
        if (!(await findConversation(trx, id))) throw new NotFound('conversation')
        const view = { waits: await listWaits(trx, id), clocks: await listClocks(trx, id) }
        return view as z.output<typeof conversationSlaView>
      }),
  )

  app.get(
    '/sla/summary',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Attainment and response times of the clocks that started in a period',
        querystring: summaryQuery,
        response: { 200: summaryView },
      },
    },
    async request => {
      const { from, to } = request.query
      const as_of = now()
      const rows = await db.readInWorkspace(request.credential.workspace_id, trx =>
        summariseClocks(trx, request.credential, from, to, as_of),
      )
      const metrics = SLA_METRICS.map(metric => {
        const row = rows.find(candidate => candidate.metric === metric) ?? NOTHING
        const { met, breached, open_overdue, open, cancelled, mean, p50, p90, p95 } = row
        const attainment = met + breached === 0 ? null : met / (met + breached)
        const response_seconds = { mean, p50, p90, p95 }
        return { metric, attainment, met, breached, open_overdue, open, cancelled, response_seconds }
      })
      return { cohort: 'started' as const, from, to, as_of, metrics }
    },
  )
}

const NOTHING = {
  met: 0,
  breached: 0,
  open_overdue: 0,
  open: 0,
  cancelled: 0,
  mean: null,
  p50: null,
  p90: null,
  p95: null,
}
