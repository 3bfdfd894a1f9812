import { conversationMergeBody, conversationSplitBody, conversationView, idParams } from '@parley/contracts'
import { mergeConversations, splitConversation } from '@parley/core'
import { type Credential, findConversation, sees, type Trx } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** What was told in two conversations becomes one, and what was told in one becomes two. */
export const conversationMoveRoutes: Routes = async (app, { ctx }) => {
  const { now } = ctx

  const getConversation = async (trx: Trx, id: string) => {
    const conversation = await findConversation(trx, id)
    if (!conversation) throw new NotFound('conversation')
    return conversation
  }

  const refuseUnseenFrom = async (trx: Trx, caller: Credential, id: string) => {
    if (!(await sees(trx, caller, 'conversation', id)))
      throw new DomainError('validation_failed', 'from_id names no conversation.')
  }

  app.post(
    '/conversations/:id/merge',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Move everything of another conversation of the channel into this one; needs If-Match',
        description:
          'The other one becomes a pointer: it names this one as `merged_into_id`, is in no list and takes no change. What ' +
          'its thread brings later comes here, and an answer leaves into the thread of the message it answers. 409 when ' +
          'they are of two channels, one of them is spam, both have a draft, or one was merged before.',
        params: idParams,
        body: conversationMergeBody,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const { id: into_id } = request.params
      const merge = { into_id, into_version: expectedVersion(request), ...request.body }
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', into_id)
        await refuseUnseenFrom(trx, request.credential, merge.from_id)
        await mergeConversations(trx, merge, request.actor, now())
        return getConversation(trx, into_id)
      })
      return reply
    },
  )

  app.post(
    '/conversations/:id/split',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Move messages of a conversation into a new one; needs If-Match',
        description:
          'Answers with the new one, which nobody owns yet. What customers answer to these messages later comes there; ' +
          'everything else of the thread stays.',
        params: idParams,
        body: conversationSplitBody,
        response: { 201: conversationView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        return getConversation(
          trx,
          await splitConversation(trx, request.params.id, request.body, seen, request.actor, now()),
        )
      })
      return reply
    },
  )
}
