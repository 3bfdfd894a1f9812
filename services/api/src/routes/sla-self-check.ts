import { slaSelfCheckView } from '@parley/contracts'
import { findLastSelfCheck, listDifferences } from '@parley/db'
import type { z } from 'zod'
import type { Routes } from '../zod-plugin.ts'

const SHOWN = 100

/** Whether the clocks are what the log makes of them. */
export const slaSelfCheckRoutes: Routes = async (app, { ctx }) => {
  app.get(
    '/sla/self-check',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'When clocks were last recomputed from the log, and which of them differed',
        response: { 200: slaSelfCheckView },
      },
    },
    ({ credential }) =>
      ctx.db.inWorkspace(credential.workspace_id, async trx => {
        const check = await findLastSelfCheck(trx)
        if (!check) return { last: null, differences: [] }
        const { started_at, finished_at, conversations, clocks, skipped } = check
        const { total, differences } = await listDifferences(trx, credential, started_at, SHOWN)
        const last = { started_at, finished_at, conversations, clocks, skipped, differences: total }
        return { last, differences } as z.output<typeof slaSelfCheckView>
      }),
  )
}
