import {
  conversationPatch,
  conversationQuery,
  conversationView,
  countQuery,
  countView,
  eventView,
  idParams,
  listedConversation,
  listedMessage,
  messagesQuery,
  messageVersions,
  messageView,
  noteBody,
  pageOf,
  pageQuery,
  readBody,
} from '@parley/contracts'
import { addNote, changeConversation, searchConversations } from '@parley/core'
import {
  countConversations,
  findConversation,
  findMessage,
  listConversationEvents,
  listMessages,
  listVersions,
  type MessagePosition,
  markRead,
  type Reach,
  seesInbox,
  type Trx,
} from '@parley/db'
import { ConversationMerged, DomainError, NotFound, searchRefused } from '@parley/domain'
import { z } from 'zod'
import { filterFor } from '../conversation-filter.ts'
import { describeEvent } from '../describe-event.ts'
import { positionsOf, readConversations, withIncluded } from '../list-conversations.ts'
import { page } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { searchPage } from '../search-page.ts'
import { withAttachments } from '../with-attachments.ts'
import { withMentions } from '../with-mentions.ts'
import { withTriage } from '../with-triage.ts'
import type { Routes } from '../zod-plugin.ts'

const byThreadOrder = z.object({
  occurred_at: z.iso.datetime().transform(text => new Date(text)),
  thread_position: z.string(),
})
const byEvent = z.object({ xact: z.string(), seq: z.int() })
const FIRST_EVENT = { xact: '0', seq: 0 }

/** What agents work on: list, read, note, close. Replies, and who owns what, have files of their own. */
export const conversationRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const getConversation = async (trx: Trx, caller: Reach, id: string) => {
    const conversation = await findConversation(trx, id)
    if (!conversation || !seesInbox(caller, conversation.inbox_id)) throw new NotFound('conversation')
    return conversation
  }

  app.get(
    '/conversations',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List conversations',
        querystring: conversationQuery,
        response: { 200: pageOf(listedConversation) },
      },
    },
    async request => {
      const { sort, include = [], q, limit: _, cursor: __, ...written } = request.query
      const { workspace_id, user_id, inbox_ids } = request.credential
      return db.inWorkspace(workspace_id, async trx => {
        const filter = await filterFor(trx, written, request.credential, now())
        if (q === undefined) {
          if (sort === 'relevance') throw searchRefused('Only what is looked for has a relevance: say q.')
          return page(cursors, request, positionsOf(sort), next =>
            readConversations(trx, filter, { sort, ...next }, include, user_id),
          )
        }
        if (sort !== 'newest' && sort !== 'relevance')
          throw searchRefused('What is looked for is sorted by newest or by relevance.')
        return searchPage(cursors, request, async next => {
          const found = await searchConversations(trx, q, { inbox_ids, user_id }, filter, { sort, ...next }, now())
          return { ...found, data: await withIncluded(trx, found.data, include, user_id) }
        })
      })
    },
  )

  app.get(
    '/conversations/count',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Count the conversations that a list would have',
        querystring: countQuery,
        response: { 200: countView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx =>
        countConversations(trx, await filterFor(trx, request.query, request.credential, now())),
      ),
  )

  app.get(
    '/conversations/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Read a conversation',
        params: idParams,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const found = await db.inWorkspace(request.credential.workspace_id, trx =>
        getConversation(trx, request.credential, request.params.id),
      )
      return reply.headers(etagOf(found)).send(found)
    },
  )

  app.get(
    '/conversations/:id/messages',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List messages and notes, oldest first',
        params: idParams,
        querystring: messagesQuery,
        response: { 200: pageOf(listedMessage) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await getConversation(trx, request.credential, request.params.id)
        const position = {
          schema: byThreadOrder,
          of: ({ occurred_at, thread_position }: MessagePosition) => ({ occurred_at, thread_position }),
        }
        const found = await page(cursors, request, position, next => listMessages(trx, request.params.id, next))
        const data = await withMentions(trx, await withAttachments(trx, found.data))
        const told = request.query.include ? await withTriage(trx, data) : data
        return { ...found, data: told } as z.output<ReturnType<typeof pageOf<typeof listedMessage>>>
      }),
  )

  app.get(
    '/messages/:id/versions',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List what a message said before it was edited, and what it says now, oldest first',
        params: idParams,
        response: { 200: messageVersions },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await refuseUnseen(trx, request.credential, 'message', request.params.id)
        const message = await findMessage(trx, request.params.id)
        if (!message) throw new NotFound('message')
        const data = await listVersions(trx, message)
        return { data }
      }),
  )

  app.get(
    '/conversations/:id/timeline',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List everything that happened in a conversation, oldest first',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(eventView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await getConversation(trx, request.credential, request.params.id)
        const position = { schema: byEvent, of: ({ xact, seq }: { xact: string; seq: number }) => ({ xact, seq }) }
        const found = await page(cursors, request, position, ({ limit, after }) =>
          listConversationEvents(trx, request.params.id, { limit, after: after ?? FIRST_EVENT }),
        )
        return { ...found, data: found.data.map(describeEvent) }
      }),
  )

  app.patch(
    '/conversations/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Change status, priority, subject, language or attributes; needs If-Match',
        params: idParams,
        body: conversationPatch,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        await changeConversation(trx, request.params.id, request.body, seen, request.actor, now())
        return getConversation(trx, request.credential, request.params.id)
      })
      return reply
    },
  )

  app.put(
    '/conversations/:id/read',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Say up to where you have read',
        params: idParams,
        body: readBody,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const { user_id } = request.credential
      if (!user_id) throw new DomainError('validation_failed', 'This key acts as no person, so it reads nothing.')
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        const conversation = await getConversation(trx, request.credential, request.params.id)
        if (conversation.merged_into_id) throw new ConversationMerged(conversation.merged_into_id)
        const { up_to } = request.body
        const seen = up_to ? await findMessage(trx, up_to) : undefined
        if (up_to && seen?.conversation_id !== conversation.id)
          throw new DomainError('validation_failed', 'up_to names no message of this conversation.')
        await markRead(trx, user_id, conversation.id, seen?.occurred_at ?? conversation.last_message_at)
        return conversation
      })
      return reply
    },
  )

  app.post(
    '/conversations/:id/notes',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Add a note that only the team sees, and tell whom it mentions',
        params: idParams,
        body: noteBody,
        response: { 201: messageView },
      },
    },
    async (request, reply) => {
      const note = { conversation_id: request.params.id, author: request.actor, ...request.body }
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        return { ...(await addNote(trx, note, now())), attachments: [] }
      })
      return reply
    },
  )
}
