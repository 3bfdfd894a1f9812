import {
  type ConversationFilterInput,
  idParams,
  listedConversation,
  pageOf,
  viewBody,
  viewPageQuery,
  viewPatch,
  viewsQuery,
  viewView,
} from '@parley/contracts'
import { changeView, createView, removeView } from '@parley/core'
import { countConversations, findView, listViews, type Trx, type View } from '@parley/db'
import { NotFound } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import { filterFor, refuseUnknown } from '../conversation-filter.ts'
import { positionsOf, readConversations } from '../list-conversations.ts'
import { page, pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { sharingAuthor } from '../sharing-author.ts'
import type { Routes } from '../zod-plugin.ts'

/** Lists that people look at again and again, with how much is in them. */
export const viewRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const getView = async (trx: Trx, request: FastifyRequest, id: string) => {
    const view = await findView(trx, await sharingAuthor(trx, request), id)
    if (!view) throw new NotFound('view')
    return view
  }
  const filterOf = (trx: Trx, { filter }: View, request: FastifyRequest) =>
    filterFor(trx, filter as ConversationFilterInput, request.credential, now())

  app.get(
    '/views',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Views'],
        summary: 'List the views that you see, with include=count how much is in them',
        querystring: viewsQuery,
        response: { 200: pageOf(viewView) },
      },
    },
    request =>
      pageById(ctx, cursors, request, async (trx, next) => {
        const views = await listViews(trx, await sharingAuthor(trx, request), next)
        if (request.query.include !== 'count') return views
        const counts = views.map(async view => countConversations(trx, await filterOf(trx, view, request)))
        const counted = await Promise.all(counts)
        return views.map((view, place) => ({ ...view, count: counted[place] }))
      }),
  )

  app.post(
    '/views',
    {
      config: { access: 'agent' },
      schema: { tags: ['Views'], summary: 'Save a view', body: viewBody, response: { 201: viewView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        await refuseUnknown(trx, request.body.filter, request.credential)
        return createView(trx, request.body, await sharingAuthor(trx, request), now())
      })
      return reply
    },
  )

  app.get(
    '/views/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Views'], summary: 'Read a view', params: idParams, response: { 200: viewView } },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const view = await db.inWorkspace(workspace_id, trx => getView(trx, request, request.params.id))
      return reply.headers(etagOf(view)).send(view)
    },
  )

  app.patch(
    '/views/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Views'],
        summary: 'Change a view; needs If-Match',
        params: idParams,
        body: viewPatch,
        response: { 200: viewView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnknown(trx, request.body.filter ?? {}, request.credential)
        return changeView(trx, request.params.id, request.body, seen, await sharingAuthor(trx, request), now())
      })
      return reply
    },
  )

  app.delete(
    '/views/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Views'], summary: 'Delete a view', params: idParams, response: { 200: viewView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx =>
        removeView(trx, request.params.id, await sharingAuthor(trx, request), now()),
      )
      return reply
    },
  )

  app.get(
    '/views/:id/conversations',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Views'],
        summary: 'List the conversations of a view, in its order',
        params: idParams,
        querystring: viewPageQuery,
        response: { 200: pageOf(listedConversation) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const view = await getView(trx, request, request.params.id)
        const filter = await filterOf(trx, view, request)
        const { sort } = view
        const { include = [] } = request.query
        return page(cursors, request, positionsOf(sort), next =>
          readConversations(trx, filter, { sort, ...next }, include, request.credential.user_id),
        )
      }),
  )
}
