import { idParams, participants, watcherParams, watchers } from '@parley/contracts'
import { unwatchConversation, watchConversation } from '@parley/core'
import {
  type Credential,
  findConversation,
  findUser,
  listCustomersIn,
  listStaffIn,
  listWatchers,
  seesInbox,
  type Trx,
} from '@parley/db'
import { NotFound } from '@parley/domain'
import { personOf } from '../person.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** Who has to do with a conversation: those who watch it, and those who took part. */
export const watcherRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  const getConversation = async (trx: Trx, caller: Credential, id: string) => {
    const conversation = await findConversation(trx, id)
    if (!conversation || !seesInbox(caller, conversation.inbox_id)) throw new NotFound('conversation')
    return conversation
  }

  app.get(
    '/conversations/:id/watchers',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'List who watches a conversation',
        params: idParams,
        response: { 200: watchers },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = await getConversation(trx, request.credential, request.params.id)
        return { data: await listWatchers(trx, id) }
      }),
  )

  app.get(
    '/conversations/:id/participants',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'List who took part in a conversation: customers who spoke, and staff who replied, noted or owned it',
        params: idParams,
        response: { 200: participants },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = await getConversation(trx, request.credential, request.params.id)
        const [customers, staff] = await Promise.all([listCustomersIn(trx, id), listStaffIn(trx, id)])
        return { customers, staff }
      }),
  )

  for (const [method, change, does] of [
    ['PUT', watchConversation, 'Watch a conversation'],
    ['DELETE', unwatchConversation, 'Watch a conversation no more'],
  ] as const) {
    app.route({
      method,
      url: '/conversations/:id/watchers/me',
      config: { access: 'agent' },
      schema: { tags: ['Collaboration'], summary: does, params: idParams, response: { 200: watchers } },
      handler: async (request, reply) => {
        const { id } = request.params as { id: string }
        await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
          await getConversation(trx, request.credential, id)
          await change(trx, id, personOf(request.credential), request.actor, now())
          return { data: await listWatchers(trx, id) }
        })
        return reply
      },
    })
    app.route({
      method,
      url: '/conversations/:id/watchers/:user_id',
      config: { access: 'lead' },
      schema: {
        tags: ['Collaboration'],
        summary: `${does}, for somebody else`,
        params: watcherParams,
        response: { 200: watchers },
      },
      handler: async (request, reply) => {
        const { id, user_id } = request.params as { id: string; user_id: string }
        await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
          await refuseUnseen(trx, request.credential, 'conversation', id)
          if (!(await findUser(trx, user_id))) throw new NotFound('user')
          await change(trx, id, user_id, request.actor, now())
          return { data: await listWatchers(trx, id) }
        })
        return reply
      },
    })
  }
}
