import {
  actionBody,
  actionParams,
  actions,
  actionView,
  dismissBody,
  messageView,
  oneActionParams,
} from '@parley/contracts'
import { cancelAction, dismissMessage, queueAction, undismissMessage } from '@parley/core'
import { findMessage, listMessageActions, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { capabilitiesOf } from '../capabilities-of.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { withItsAttachments } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

/** What is done to a message on its network besides answering it. 202 means stored; the action's `state` tells the rest. */
export const messageActionRoutes: Routes = async (app, { ctx }) => {
  const getMessage = async (trx: Trx, { id, message_id }: { id: string; message_id: string }) => {
    const message = await findMessage(trx, message_id)
    if (message?.conversation_id !== id) throw new NotFound('message')
    return message
  }

  app.post(
    '/conversations/:id/messages/:message_id/actions',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Replies'],
        summary: 'Like, hide, delete or edit a message on its network; needs an Idempotency-Key',
        description:
          "The channel's capabilities say which of them its network has. Delete and edit are of our own messages.",
        params: actionParams,
        body: actionBody,
        response: { 202: actionView },
      },
    },
    async (request, reply) => {
      const { id: conversation_id, message_id } = request.params
      const draft = { ...request.body, conversation_id, message_id, actor: request.actor }
      const action = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', message_id)
        return queueAction(trx, draft, capabilitiesOf, ctx.now())
      })
      const { workspace_id } = request.credential
      if (action && !action.hold_until) ctx.hints.send({ workspace_id, message_id, action_id: action.id })
      return reply
    },
  )

  app.get(
    '/conversations/:id/messages/:message_id/actions',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Replies'],
        summary: 'List what was done to a message on its network, oldest first',
        params: actionParams,
        response: { 200: actions },
      },
    },
    request =>
      ctx.db.inWorkspace(request.credential.workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.message_id)
        await getMessage(trx, request.params)
        const data = await listMessageActions(trx, request.params.message_id)
        return { data }
      }),
  )

  app.post(
    '/conversations/:id/messages/:message_id/actions/:action_id/cancel',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Replies'],
        summary: 'Take back an action that has not been begun',
        params: oneActionParams,
        response: { 200: actionView },
      },
    },
    async (request, reply) => {
      const { message_id, action_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        await getMessage(trx, request.params)
        return cancelAction(trx, { message_id, action_id }, request.actor, ctx.now())
      })
      return reply
    },
  )

  app.post(
    '/conversations/:id/messages/:message_id/dismiss',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: "Say that a customer's message needs no answer",
        description: 'Nobody waits for an answer to it. 409 when it is answered, or never needed an answer.',
        params: actionParams,
        body: dismissBody,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      const { id: conversation_id, message_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', message_id)
        const ids = { conversation_id, message_id }
        return withItsAttachments(trx, await dismissMessage(trx, ids, request.body, request.actor, ctx.now()))
      })
      return reply
    },
  )

  app.post(
    '/conversations/:id/messages/:message_id/undismiss',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: "Take back that a customer's message needs no answer",
        description: 'The customer waits since they wrote it. 409 when they have been answered since.',
        params: actionParams,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      const { id: conversation_id, message_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'message', message_id)
        const ids = { conversation_id, message_id }
        return withItsAttachments(trx, await undismissMessage(trx, ids, request.actor, ctx.now()))
      })
      return reply
    },
  )
}
