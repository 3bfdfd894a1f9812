import { draftBody, draftView, idParams } from '@parley/contracts'
import { describeDraft, discardDraft, saveDraft } from '@parley/core'
import { findConversation, findDraft } from '@parley/db'
import { NotFound } from '@parley/domain'
import { applyEffect, etagOf, expectedVersionIfAny } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** The answer to a conversation that is being written, by whoever of the team is at it. */
export const draftRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.get(
    '/conversations/:id/draft',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Read the draft of a conversation',
        params: idParams,
        response: { 200: draftView },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const draft = await db.inWorkspace(request.credential.workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', id)
        if (!(await findConversation(trx, id))) throw new NotFound('conversation')
        return findDraft(trx, id)
      })
      if (!draft) throw new NotFound('draft')
      return reply.headers(etagOf(draft)).send(describeDraft(draft))
    },
  )

  app.put(
    '/conversations/:id/draft',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Write the draft of a conversation; needs If-Match when there is one',
        description:
          'The whole draft. Without If-Match it is the first one, or refused with 428. `If-Match: *` writes over ' +
          'whatever stands there. A refusal carries the present `draft`, null when there is none any more.',
        params: idParams,
        body: draftBody,
        response: { 200: draftView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersionIfAny(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        return describeDraft(await saveDraft(trx, request.params.id, request.body, seen, request.actor, now()))
      })
      return reply
    },
  )

  app.delete(
    '/conversations/:id/draft',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Discard the draft of a conversation; needs If-Match',
        description: 'Answers with the draft as it was.',
        params: idParams,
        response: { 200: draftView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersionIfAny(request)
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        return describeDraft(await discardDraft(trx, request.params.id, seen, request.actor, now()))
      })
      return reply
    },
  )
}
