import { idParams, triageCorrection, triageView } from '@parley/contracts'
import { correctTriage, describeTriage } from '@parley/core'
import { listTriage, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** What messages are about, as far as words tell, and what people say of that. */
export const triageRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  const getTriage = async (trx: Trx, message_id: string) => {
    const [row] = await listTriage(trx, [message_id])
    if (!row) throw new NotFound('triage')
    return describeTriage(row)
  }

  app.get(
    '/messages/:id/triage',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Triage'],
        summary: 'Read what a message is about, what is proposed because of it, and why',
        params: idParams,
        response: { 200: triageView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id, 'triage')
        return getTriage(trx, request.params.id)
      }),
  )

  app.put(
    '/messages/:id/triage',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Triage'],
        summary: 'Set right what was made of a message',
        params: idParams,
        body: triageCorrection,
        response: { 200: triageView },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', id, 'triage')
        await correctTriage(trx, id, request.body, request.actor, now())
        return getTriage(trx, id)
      })
      return reply
    },
  )
}
