import { attributeBody, attributePatch, attributeView, idParams, pageOf, pageQuery } from '@parley/contracts'
import { changeAttribute, createAttribute } from '@parley/core'
import { findAttribute, listAttributes } from '@parley/db'
import { NotFound } from '@parley/domain'
import { pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** What a workspace keeps of its conversations and contacts, each with a type. */
export const attributeRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/attributes',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Attributes'],
        summary: 'List what attributes there are',
        querystring: pageQuery,
        response: { 200: pageOf(attributeView) },
      },
    },
    request => pageById(ctx, cursors, request, listAttributes),
  )

  app.post(
    '/attributes',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Attributes'],
        summary: 'Define an attribute of conversations or contacts',
        body: attributeBody,
        response: { 201: attributeView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, trx =>
        createAttribute(trx, request.body, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/attributes/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Attributes'],
        summary: 'Read what an attribute is',
        params: idParams,
        response: { 200: attributeView },
      },
    },
    async (request, reply) => {
      const found = await db.inWorkspace(request.credential.workspace_id, trx => findAttribute(trx, request.params.id))
      if (!found) throw new NotFound('attribute')
      return reply.headers(etagOf(found)).send(found)
    },
  )

  app.patch(
    '/attributes/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Attributes'],
        summary: "Change an attribute's label or options, or put it away; needs If-Match",
        params: idParams,
        body: attributePatch,
        response: { 200: attributeView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, trx =>
        changeAttribute(trx, request.params.id, request.body, seen, request.actor, now()),
      )
      return reply
    },
  )
}
