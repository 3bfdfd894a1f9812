import {
  assigneeBody,
  conversationPatch,
  conversationQuery,
  conversationView,
  eventView,
  idParams,
  messageVersions,
  messageView,
  noteBody,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { addNote, assignConversation, changeConversationStatus, searchConversations } from '@parley/core'
import {
  findConversation,
  findMessage,
  listConversationEvents,
  listConversations,
  listMessages,
  listVersions,
  type MessagePosition,
  type Trx,
} from '@parley/db'
import { DomainError, NotFound, searchRefused } from '@parley/domain'
import { z } from 'zod'
import { describeEvent } from '../describe-event.ts'
import { page } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { searchPage } from '../search-page.ts'
import { withAttachments } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

const byTime = z.object({ at: z.iso.datetime().transform(text => new Date(text)), id: z.string() })
const byThreadOrder = z.object({
  occurred_at: z.iso.datetime().transform(text => new Date(text)),
  thread_position: z.string(),
})
const byEvent = z.object({ xact: z.string(), seq: z.int() })
const FIRST_EVENT = { xact: '0', seq: 0 }

/** What agents work on: list, read, own, note, close. Replies have a file of their own. */
export const conversationRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const getConversation = async (trx: Trx, id: string) => {
    const conversation = await findConversation(trx, id)
    if (!conversation) throw new NotFound('conversation')
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
        response: { 200: pageOf(conversationView) },
      },
    },
    async request => {
      const { status, inbox_id, channel_id, assignee_id, waiting, q, sort } = request.query
      const { workspace_id, user_id } = request.credential
      if (assignee_id === 'me' && !user_id) throw new DomainError('validation_failed', 'This key acts as no person.')
      const owner = assignee_id === 'none' ? null : assignee_id === 'me' ? user_id! : assignee_id
      const filter = { status, inbox_id, channel_id, assignee_id: owner, waiting: waiting === 'true' }
      if (q !== undefined) {
        if (sort !== 'newest' && sort !== 'relevance') {
          throw searchRefused('What is looked for is sorted by newest or by relevance.')
        }
        return db.inWorkspace(workspace_id, trx =>
          searchPage(cursors, request, ({ limit, after }) =>
            searchConversations(trx, q, { inbox_ids: null, user_id }, filter, { sort, limit, after }, now()),
          ),
        )
      }
      if (sort === 'relevance') throw searchRefused('Only what is looked for has a relevance: say q.')
      return db.inWorkspace(workspace_id, trx =>
        page(
          cursors,
          request,
          {
            schema: byTime,
            of: row => ({ at: (sort === 'waiting' && row.waiting_since) || row.last_message_at, id: row.id }),
          },
          ({ limit, after }) => listConversations(trx, filter, { sort, limit, after }),
        ),
      )
    },
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
        getConversation(trx, request.params.id),
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
        querystring: pageQuery,
        response: { 200: pageOf(messageView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await getConversation(trx, request.params.id)
        const position = {
          schema: byThreadOrder,
          of: ({ occurred_at, thread_position }: MessagePosition) => ({ occurred_at, thread_position }),
        }
        const found = await page(cursors, request, position, next => listMessages(trx, request.params.id, next))
        const data = await withAttachments(trx, found.data)
        return { ...found, data } as z.output<ReturnType<typeof pageOf<typeof messageView>>>
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
        await getConversation(trx, request.params.id)
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
        summary: 'Change the status; needs If-Match',
        params: idParams,
        body: conversationPatch,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const change = { status: request.body.status, expected_version: expectedVersion(request) }
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await changeConversationStatus(trx, request.params.id, change, request.actor, now())
        return getConversation(trx, request.params.id)
      })
      return reply
    },
  )

  app.put(
    '/conversations/:id/assignee',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Assign or unassign, if the owner is still the one you saw',
        params: idParams,
        body: assigneeBody,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const owners = { from: request.body.from, to: request.body.assignee_id }
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await assignConversation(trx, request.params.id, owners, request.actor, now())
        return getConversation(trx, request.params.id)
      })
      return reply
    },
  )

  app.post(
    '/conversations/:id/claim',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Take a conversation that nobody owns',
        params: idParams,
        response: { 200: conversationView },
      },
    },
    async (request, reply) => {
      const { user_id } = request.credential
      if (!user_id) throw new DomainError('validation_failed', 'This key acts as no person, so it can own nothing.')
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await assignConversation(trx, request.params.id, { from: null, to: user_id }, request.actor, now())
        return getConversation(trx, request.params.id)
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
        summary: 'Add a note that only the team sees',
        params: idParams,
        body: noteBody,
        response: { 201: messageView },
      },
    },
    async (request, reply) => {
      const note = { conversation_id: request.params.id, author: request.actor, body: request.body.body }
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => ({
        ...(await addNote(trx, note, now())),
        attachments: [],
      }))
      return reply
    },
  )
}
