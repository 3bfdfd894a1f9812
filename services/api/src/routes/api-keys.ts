import { apiKeyBody, apiKeyCreatedView, apiKeyView, idParams, pageOf, pageQuery, rotateBody } from '@parley/contracts'
import { createApiKey, endApiKey, rotateApiKey } from '@parley/core'
import { listApiKeys } from '@parley/db'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** What programs call with. */
export const apiKeyRoutes: Routes = async (app, { ctx, cursors }) => {
  const { now } = ctx

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
      await applyEffect(ctx, request, reply, { status: 201 }, trx =>
        createApiKey(trx, request.body, request.actor, now()),
      )
      return reply
    },
  )

  app.post(
    '/api_keys/:id/rotate',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Put a new API key in the place of another one; it is shown once',
        description:
          'The former one ends at once, or after `overlap_seconds`, so that a program can be given the new one.',
        params: idParams,
        body: rotateBody,
        response: { 201: apiKeyCreatedView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, trx =>
        rotateApiKey(trx, request.params.id, request.body.overlap_seconds, request.actor, now()),
      )
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
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        endApiKey(trx, request.params.id, request.actor, now()),
      )
      return reply
    },
  )
}
