import {
  availabilityBody,
  idParams,
  mePatch,
  meView,
  pageOf,
  pageQuery,
  userBody,
  userPatch,
  userView,
} from '@parley/contracts'
import { changeUser, createUser, setAvailability } from '@parley/core'
import { type Credential, findUser, getWorkspace, listUsers, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { describeUser } from '../describe-user.ts'
import { pageById } from '../paging.ts'
import { personOf } from '../person.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Who works here. */
export const peopleRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const describeCaller = async (trx: Trx, { kind, user_id, role, id, inbox_ids }: Credential) => {
    const user = user_id ? await findUser(trx, user_id) : undefined
    return {
      workspace: await getWorkspace(trx),
      role,
      user: user ? describeUser(user, now()) : null,
      api_key_id: kind === 'api_key' ? id : null,
      session_id: kind === 'session' ? id : null,
      inbox_ids,
    }
  }

  app.get(
    '/me',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'Who this key or session acts as', response: { 200: meView } },
    },
    request => db.inWorkspace(request.credential.workspace_id, trx => describeCaller(trx, request.credential)),
  )

  app.patch(
    '/me',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['People'],
        summary: 'Change your name or languages',
        body: mePatch,
        response: { 200: meView },
      },
    },
    async (request, reply) => {
      const user_id = personOf(request.credential)
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await changeUser(trx, user_id, request.body, request.actor, now())
        return describeCaller(trx, request.credential)
      })
      return reply
    },
  )

  app.put(
    '/me/availability',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['People'],
        summary: 'Say whether you take new work',
        description:
          'Going `out_of_office` gives back every conversation of yours that is open; with `until` you are available again ' +
          'from then on, without saying so.',
        body: availabilityBody,
        response: { 200: userView },
      },
    },
    async (request, reply) => {
      const user_id = personOf(request.credential)
      await applyEffect(ctx, request, reply, { status: 200 }, async trx =>
        describeUser(await setAvailability(trx, user_id, request.body, request.actor, now()), now()),
      )
      return reply
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

  app.get(
    '/users/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'Read a user', params: idParams, response: { 200: userView } },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const user = await findUser(trx, request.params.id)
        if (!user) throw new NotFound('user')
        return describeUser(user, now())
      }),
  )

  app.patch(
    '/users/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Change a user: their role, whether they are active, what they can do',
        description:
          'A role counts from the next call on. Disabling ends sessions and keys at once and gives back what they own. The ' +
          'last administrator stays one: 409.',
        params: idParams,
        body: userPatch,
        response: { 200: userView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx =>
        describeUser(await changeUser(trx, request.params.id, request.body, request.actor, now()), now()),
      )
      return reply
    },
  )
}
