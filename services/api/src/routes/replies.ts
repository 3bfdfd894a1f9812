import { idParams, messageView, replyBody } from '@parley/contracts'
import { queueReply } from '@parley/core'
import { deliveryOf } from '../capabilities-of.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Replies to customers. 202 means stored: the worker delivers, and the message's `state` tells how it went. */
export const replyRoutes: Routes = async (app, { ctx }) => {
  app.post(
    '/conversations/:id/replies',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Conversations'],
        summary: 'Reply to the customer; needs an Idempotency-Key',
        params: idParams,
        body: replyBody,
        response: { 202: messageView },
      },
    },
    async (request, reply) => {
      const draft = { ...request.body, conversation_id: request.params.id, author: request.actor }
      const message = await applyEffect(ctx, request, reply, { status: 202 }, trx =>
        queueReply(trx, draft, deliveryOf, ctx.now()),
      )
      // A reply that waits in the outbox is nobody's work here.
      if (message?.next_attempt_at) {
        ctx.hints.send({ workspace_id: request.credential.workspace_id, message_id: message.id })
      }
      return reply
    },
  )
}
