import {
  apiKeyBody,
  apiKeyCreatedView,
  apiKeyView,
  idParams,
  meView,
  pageOf,
  pageQuery,
  userBody,
  userView,
} from '@parley/contracts'
import { keyHint } from '@parley/core'
import {
  findUser,
  generateApiKey,
  getWorkspace,
  hashApiKey,
  insertApiKey,
  insertUser,
  listApiKeys,
  listUsers,
  newId,
  revokeApiKey,
} from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import type { z } from 'zod'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Who works here and with which keys. */
export const peopleRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/me',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'Who this key acts as', response: { 200: meView } },
    },
    request => {
      const { workspace_id, user_id, role, id } = request.credential
      return db.inWorkspace(workspace_id, async trx => {
        const user = user_id ? await findUser(trx, user_id) : undefined
        const workspace = await getWorkspace(trx)
        return { workspace, role, user: (user as z.output<typeof userView> | undefined) ?? null, api_key_id: id }
      })
    },
  )

  app.get(
    '/users',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'List users', querystring: pageQuery, response: { 200: pageOf(userView) } },
    },
    request => pageById(ctx, cursors, request, listUsers),
  )

  app.post(
    '/users',
    {
      config: { access: 'admin' },
      schema: { tags: ['People'], summary: 'Add a user', body: userBody, response: { 201: userView } },
    },
    async (request, reply) => {
      const row = { id: newId(now()), ...request.body, created_at: now() }
      await applyEffect(ctx, request, reply, { status: 201 }, trx => insertUser(trx, row))
      return reply
    },
  )

  app.get(
    '/api_keys',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'List API keys',
        querystring: pageQuery,
        response: { 200: pageOf(apiKeyView) },
      },
    },
    request => pageById(ctx, cursors, request, listApiKeys),
  )

  app.post(
    '/api_keys',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Create an API key; it is shown once',
        body: apiKeyBody,
        response: { 201: apiKeyCreatedView },
      },
    },
    async (request, reply) => {
      const key = generateApiKey()
      const row = {
        id: newId(now()),
        ...request.body,
        key_hash: hashApiKey(key),
        key_hint: keyHint(key),
        created_at: now(),
        revoked_at: null,
      }
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => {
        if (row.user_id && !(await findUser(trx, row.user_id))) {
          throw new DomainError('validation_failed', 'user_id names no user of this workspace.')
        }
        return { ...(await insertApiKey(trx, row)), key }
      })
      return reply
    },
  )

  app.delete(
    '/api_keys/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Revoke an API key at once',
        params: idParams,
        response: { 200: apiKeyView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        const key = await revokeApiKey(trx, request.params.id, now())
        if (!key) throw new NotFound('API key')
        return key
      })
      return reply
    },
  )
}
