import { meView, pageOf, pageQuery, userBody, userView } from '@parley/contracts'
import { createUser } from '@parley/core'
import { findUser, getWorkspace, listUsers } from '@parley/db'
import { describeUser } from '../describe-user.ts'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Who works here. */
export const peopleRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/me',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'Who this key or session acts as', response: { 200: meView } },
    },
    request => {
      const { kind, workspace_id, user_id, role, id, inbox_ids } = request.credential
      return db.inWorkspace(workspace_id, async trx => {
        const user = user_id ? await findUser(trx, user_id) : undefined
        return {
          workspace: await getWorkspace(trx),
          role,
          user: user ? describeUser(user, now()) : null,
          api_key_id: kind === 'api_key' ? id : null,
          session_id: kind === 'session' ? id : null,
          inbox_ids,
        }
      })
    },
  )

  app.get(
    '/users',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'List users', querystring: pageQuery, response: { 200: pageOf(userView) } },
    },
    async request => {
      const page = await pageById(ctx, cursors, request, listUsers)
      return { ...page, data: page.data.map(user => describeUser(user, now())) }
    },
  )

  app.post(
    '/users',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Add a user who does not sign in; invite those who do',
        body: userBody,
        response: { 201: userView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, async trx =>
        describeUser(await createUser(trx, request.body, request.actor, now()), now()),
      )
      return reply
    },
  )
}
