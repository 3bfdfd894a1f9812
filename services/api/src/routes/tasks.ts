import { idParams, pageOf, pageQuery, taskBody, taskPatch, taskQuery, taskView } from '@parley/contracts'
import { changeTask, createTask, removeTask, unknownConversation } from '@parley/core'
import {
  findConversation,
  findTask,
  listTasks,
  sees,
  seesInbox,
  type Task,
  type TaskFilter,
  type Trx,
} from '@parley/db'
import { NotFound } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { page } from '../paging.ts'
import { personOf } from '../person.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

type Listed = z.output<ReturnType<typeof pageOf<typeof taskView>>>
const byDue = {
  schema: z.object({ due_at: z.iso.datetime().transform(text => new Date(text)), id: z.string() }),
  of: ({ due_at, id }: Task) => ({ due_at, id }),
}

/** What is to be done about a conversation, by whom and by when. */
export const taskRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx
  type Paged = FastifyRequest<{ Querystring: z.output<typeof pageQuery> }>
  const list = async (trx: Trx, request: Paged, filter: Omit<TaskFilter, 'inbox_ids'>) => {
    const { inbox_ids } = request.credential
    return (await page(cursors, request, byDue, next => listTasks(trx, { ...filter, inbox_ids }, next))) as Listed
  }

  app.get(
    '/tasks',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'List tasks, what is due first first',
        querystring: taskQuery,
        response: { 200: pageOf(taskView) },
      },
    },
    async request => {
      const { assignee_id: asked, state, due_before } = request.query
      const assignee_id = asked === 'me' ? personOf(request.credential) : asked === 'none' ? null : asked
      return db.inWorkspace(request.credential.workspace_id, trx =>
        list(trx, request, { assignee_id, state, due_before }),
      )
    },
  )

  app.get(
    '/conversations/:id/tasks',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'List the tasks of a conversation, what is due first first',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(taskView) },
      },
    },
    async request => {
      const { credential } = request
      return db.inWorkspace(credential.workspace_id, async trx => {
        const conversation = await findConversation(trx, request.params.id)
        if (!conversation || !seesInbox(credential, conversation.inbox_id)) throw new NotFound('conversation')
        return list(trx, request, { conversation_id: conversation.id })
      })
    },
  )

  app.post(
    '/tasks',
    {
      config: { access: 'agent' },
      schema: { tags: ['Collaboration'], summary: 'Make a task', body: taskBody, response: { 201: taskView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        if (!(await sees(trx, request.credential, 'conversation', request.body.conversation_id))) {
          throw unknownConversation()
        }
        return createTask(trx, request.body, request.actor, now())
      })
      return reply
    },
  )

  app.get(
    '/tasks/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Collaboration'], summary: 'Read a task', params: idParams, response: { 200: taskView } },
    },
    async (request, reply) => {
      const { workspace_id, inbox_ids } = request.credential
      const task = await db.inWorkspace(workspace_id, trx => findTask(trx, request.params.id, inbox_ids))
      if (!task) throw new NotFound('task')
      return reply.headers(etagOf(task)).send(task as z.output<typeof taskView>)
    },
  )

  app.patch(
    '/tasks/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Change a task, or say that it is done; needs If-Match',
        params: idParams,
        body: taskPatch,
        response: { 200: taskView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      const which = { id: request.params.id, inbox_ids: request.credential.inbox_ids }
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, trx =>
        changeTask(trx, which, request.body, seen, request.actor, now()),
      )
      return reply
    },
  )

  app.delete(
    '/tasks/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Take a task away',
        description: 'Answers with the task as it was.',
        params: idParams,
        response: { 200: taskView },
      },
    },
    async (request, reply) => {
      const which = { id: request.params.id, inbox_ids: request.credential.inbox_ids }
      await applyEffect(ctx, request, reply, { status: 200 }, trx => removeTask(trx, which, request.actor, now()))
      return reply
    },
  )
}
