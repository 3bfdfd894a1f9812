import {
  idParams,
  pageOf,
  renderBody,
  renderedReply,
  replyVariables,
  savedReplyBody,
  savedReplyPatch,
  savedReplyQuery,
  savedReplyView,
} from '@parley/contracts'
import {
  archiveSavedReply,
  changeSavedReply,
  createSavedReply,
  renderSavedReply,
  UNKNOWN_CONVERSATION,
  UNKNOWN_INBOX,
} from '@parley/core'
import { type Credential, findSavedReply, listSavedReplies, sees, type Trx } from '@parley/db'
import { DomainError, NotFound, REPLY_VARIABLES, type ReplyVariable, searchKey } from '@parley/domain'
import { pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** Texts that a team writes once and uses often. */
export const savedReplyRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/saved_replies',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Saved replies'],
        summary: 'List saved replies',
        querystring: savedReplyQuery,
        response: { 200: pageOf(savedReplyView) },
      },
    },
    request => {
      const { q = '', inbox_id, archived } = request.query
      const words = searchKey(q).split(/\s+/).filter(Boolean)
      return pageById(ctx, cursors, request, (trx, page) =>
        listSavedReplies(
          trx,
          { words, inbox_id, inbox_ids: request.credential.inbox_ids, archived: archived === 'true' },
          page,
        ),
      )
    },
  )

  app.get(
    '/saved_replies/variables',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Saved replies'],
        summary: 'List the variables that saved replies can use',
        response: { 200: replyVariables },
      },
    },
    async () => ({
      data: Object.entries(REPLY_VARIABLES).map(([name, description]) => ({
        name: name as ReplyVariable,
        description,
      })),
    }),
  )

  app.post(
    '/saved_replies',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Saved replies'],
        summary: 'Save a reply',
        body: savedReplyBody,
        response: { 201: savedReplyView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        await refuseUnseenInbox(trx, request.credential, request.body.inbox_id)
        return createSavedReply(trx, request.body, request.actor, now())
      })
      return reply
    },
  )

  app.get(
    '/saved_replies/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Saved replies'],
        summary: 'Read a saved reply',
        params: idParams,
        response: { 200: savedReplyView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const found = await db.inWorkspace(workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'saved reply', request.params.id)
        return findSavedReply(trx, request.params.id)
      })
      if (!found) throw new NotFound('saved reply')
      return reply.headers(etagOf(found)).send(found)
    },
  )

  app.patch(
    '/saved_replies/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Saved replies'],
        summary: 'Change a saved reply, or take it out of the archive; needs If-Match',
        params: idParams,
        body: savedReplyPatch,
        response: { 200: savedReplyView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnseen(trx, request.credential, 'saved reply', request.params.id)
        await refuseUnseenInbox(trx, request.credential, request.body.inbox_id)
        return changeSavedReply(trx, request.params.id, request.body, seen, request.actor, now())
      })
      return reply
    },
  )

  app.delete(
    '/saved_replies/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Saved replies'],
        summary: 'Put a saved reply into the archive',
        params: idParams,
        response: { 200: savedReplyView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnseen(trx, request.credential, 'saved reply', request.params.id)
        return archiveSavedReply(trx, request.params.id, request.actor, now())
      })
      return reply
    },
  )

  app.post(
    '/saved_replies/:id/render',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Saved replies'],
        summary: 'Write a saved reply out for a conversation, as you would send it',
        params: idParams,
        body: renderBody,
        response: { 200: renderedReply },
      },
    },
    request => {
      const { workspace_id, user_id } = request.credential
      return db.inWorkspace(workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'saved reply', request.params.id)
        if (!(await sees(trx, request.credential, 'conversation', request.body.conversation_id))) {
          throw new DomainError('validation_failed', UNKNOWN_CONVERSATION)
        }
        return renderSavedReply(trx, request.params.id, { ...request.body, user_id })
      })
    },
  )
}

async function refuseUnseenInbox(trx: Trx, caller: Credential, inbox_id: string | null | undefined): Promise<void> {
  if (inbox_id && !(await sees(trx, caller, 'inbox', inbox_id))) {
    throw new DomainError('validation_failed', UNKNOWN_INBOX)
  }
}
