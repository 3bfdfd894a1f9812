import {
  conversationTagParams,
  conversationTags,
  idParams,
  pageOf,
  pageQuery,
  tagBody,
  tagPatch,
  tagView,
} from '@parley/contracts'
import { changeTag, createTag, tagConversation, untagConversation } from '@parley/core'
import { type Credential, findConversation, listTags, listTagsOf, seesInbox, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** Words that conversations are sorted by. */
export const tagRoutes: Routes = async (app, { ctx, cursors }) => {
  const { now } = ctx

  const tagsOf = async (trx: Trx, caller: Credential, id: string) => {
    const conversation = await findConversation(trx, id)
    if (!conversation || !seesInbox(caller, conversation.inbox_id)) throw new NotFound('conversation')
    return { data: await listTagsOf(trx, [id]) }
  }

  app.get(
    '/tags',
    {
      config: { access: 'agent' },
      schema: { tags: ['Tags'], summary: 'List tags', querystring: pageQuery, response: { 200: pageOf(tagView) } },
    },
    request => pageById(ctx, cursors, request, listTags),
  )

  app.post(
    '/tags',
    {
      config: { access: 'agent' },
      schema: { tags: ['Tags'], summary: 'Make a tag', body: tagBody, response: { 201: tagView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, trx => createTag(trx, request.body, request.actor, now()))
      return reply
    },
  )

  app.patch(
    '/tags/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Tags'],
        summary: "Change a tag's spelling or colour, or put it away",
        params: idParams,
        body: tagPatch,
        response: { 200: tagView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        changeTag(trx, request.params.id, request.body, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/conversations/:id/tags',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Tags'],
        summary: 'List the tags of a conversation',
        params: idParams,
        response: { 200: conversationTags },
      },
    },
    request =>
      ctx.db.inWorkspace(request.credential.workspace_id, trx => tagsOf(trx, request.credential, request.params.id)),
  )

  for (const [method, change, summary] of [
    ['PUT', tagConversation, 'Put a tag on a conversation; one that is not there yet is made'],
    ['DELETE', untagConversation, 'Take a tag off a conversation'],
  ] as const) {
    app.route({
      method,
      url: '/conversations/:id/tags/:tag',
      config: { access: 'agent' },
      schema: { tags: ['Tags'], summary, params: conversationTagParams, response: { 200: conversationTags } },
      handler: async (request, reply) => {
        const { id, tag } = request.params as { id: string; tag: string }
        await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
          await refuseUnseen(trx, request.credential, 'conversation', id)
          await change(trx, id, tag, request.actor, now())
          return tagsOf(trx, request.credential, id)
        })
        return reply
      },
    })
  }
}
