import { flagBody, idParams, messageView } from '@parley/contracts'
import { clearFlag, flagMessage } from '@parley/core'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { withItsAttachments } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

/** Messages that somebody is to look at. */
export const messageFlagRoutes: Routes = async (app, { ctx }) => {
  app.post(
    '/messages/:id/flag',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: "Flag a customer's message for somebody to look at",
        description: 'It ends when the message is hidden or deleted, or the flag is cleared. 409 when it is already.',
        params: idParams,
        body: flagBody,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id)
        const { reason } = request.body
        return withItsAttachments(trx, await flagMessage(trx, request.params.id, reason, request.actor, ctx.now()))
      })
      return reply
    },
  )

  app.delete(
    '/messages/:id/flag',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Clear the flag of a message that may stay as it is',
        params: idParams,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id)
        return withItsAttachments(trx, await clearFlag(trx, request.params.id, request.actor, ctx.now()))
      })
      return reply
    },
  )
}
