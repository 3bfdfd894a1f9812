import { attempts, idParams, markNotSentBody, markSentBody, messageView, replyBody, replyView } from '@parley/contracts'
import { cancelReply, markNotSent, markSent, queueReply, retryReply, UNKNOWN_UPLOADS } from '@parley/core'
import { type Credential, findMessage, listAttempts, type Message, sees, type Trx } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import { deliveryOf } from '../capabilities-of.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { withAttachments, withItsAttachments } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

/** Replies to customers. 202 means stored: the worker delivers, and the message's `state` tells how it went. */
export const replyRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  /** Not for one that waits in the outbox, which is nobody's work here, nor for one that is held. */
  const hint = (message: Message | undefined) => {
    const { workspace_id, id, next_attempt_at } = message ?? {}
    if (next_attempt_at && next_attempt_at <= now()) ctx.hints.send({ workspace_id: workspace_id!, message_id: id! })
  }

  app.post(
    '/conversations/:id/replies',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Replies'],
        summary: 'Reply to the customer; needs an Idempotency-Key',
        params: idParams,
        body: replyBody,
        response: { 202: replyView },
      },
    },
    async (request, reply) => {
      const draft = { ...request.body, conversation_id: request.params.id, author: request.actor }
      const queued = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        await refuseUnseenFiles(trx, request.credential, request.body.attachment_ids)
        const messages = await withAttachments(trx, await queueReply(trx, draft, deliveryOf, now()))
        return { ...messages[0]!, parts: messages.length > 1 ? messages : [] }
      })
      hint(queued)
      return reply
    },
  )

  app.post(
    '/messages/:id/cancel',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Replies'],
        summary: 'Take back a reply that has not gone out yet',
        params: idParams,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id, 'reply')
        const decision = { message_id: request.params.id, actor: request.actor, now: now() }
        return withItsAttachments(trx, await cancelReply(trx, decision))
      })
      return reply
    },
  )

  app.post(
    '/messages/:id/retry',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Replies'],
        summary: 'Send a reply again that was refused, taken back, or may not be out; needs an Idempotency-Key',
        description:
          'Of a reply that is `unknown` look at the network first: where it cannot be told that this is the same reply, ' +
          'and it is out after all, it will be there twice.',
        params: idParams,
        response: { 202: messageView },
      },
    },
    async (request, reply) => {
      const decision = { message_id: request.params.id, actor: request.actor, now: now() }
      hint(
        await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
          await refuseUnseen(trx, request.credential, 'message', request.params.id, 'reply')
          return withItsAttachments(trx, await retryReply(trx, decision, deliveryOf))
        }),
      )
      return reply
    },
  )

  app.post(
    '/messages/:id/mark_sent',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Replies'],
        summary: 'Say that a reply whose outcome is unknown is on its network',
        params: idParams,
        body: markSentBody,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      const decision = { message_id: request.params.id, actor: request.actor, now: now() }
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id, 'reply')
        return withItsAttachments(trx, await markSent(trx, decision, request.body))
      })
      return reply
    },
  )

  app.post(
    '/messages/:id/mark_not_sent',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Replies'],
        summary: 'Say that a reply whose outcome is unknown is not on its network',
        params: idParams,
        body: markNotSentBody,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      const decision = { message_id: request.params.id, actor: request.actor, now: now() }
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id, 'reply')
        return withItsAttachments(trx, await markNotSent(trx, decision, request.body.reason))
      })
      return reply
    },
  )

  app.get(
    '/messages/:id/attempts',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Replies'],
        summary: 'List the calls that were made to the network for a reply, oldest first',
        params: idParams,
        response: { 200: attempts },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id)
        if (!(await findMessage(trx, request.params.id))) throw new NotFound('message')
        const data = await listAttempts(trx, request.params.id)
        return { data }
      }),
  )
}

/** Files that the caller cannot see cannot be sent on: they are no uploads, as far as the caller can tell. */
async function refuseUnseenFiles(trx: Trx, caller: Credential, ids: string[]): Promise<void> {
  for (const id of ids) {
    if (!(await sees(trx, caller, 'attachment', id))) throw new DomainError('validation_failed', UNKNOWN_UPLOADS)
  }
}
