import { dismissalReasons, dismissalReasonsBody } from '@parley/contracts'
import { changeDismissalReasons } from '@parley/core'
import { listDismissalReasons } from '@parley/db'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Why messages may be dismissed. */
export const dismissalReasonRoutes: Routes = async (app, { ctx }) => {
  app.get(
    '/dismissal_reasons',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List the reasons for which messages may be dismissed; none: any',
        response: { 200: dismissalReasons },
      },
    },
    ({ credential }) =>
      ctx.db.inWorkspace(credential.workspace_id, async trx => ({ reasons: await listDismissalReasons(trx) })),
  )

  app.put(
    '/dismissal_reasons',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Conversations'],
        summary: 'Say for which reasons messages may be dismissed',
        body: dismissalReasonsBody,
        response: { 200: dismissalReasons },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        changeDismissalReasons(trx, request.body.reasons, request.actor, ctx.now()),
      )
      return reply
    },
  )
}
