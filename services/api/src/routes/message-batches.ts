import {
  batchBody,
  batchItemQuery,
  batchItemView,
  idParams,
  messageBatchView,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { createBatch, undoBatch } from '@parley/core'
import { type Credential, findBatch, listBatches, listItems, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { z } from 'zod'
import { describeBatch, describeItem, describeWithNetwork } from '../describe-batch.ts'
import { page, pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

const byMessage = { schema: z.string(), of: ({ message_id }: { message_id: string }) => message_id }

/** The same done to many messages. 202 means stored: a worker goes through them, and the batch tells how far it is. */
export const messageBatchRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, hints, now } = ctx

  const getBatch = async (trx: Trx, caller: Credential, id: string) => {
    const batch = await findBatch(trx, id, caller)
    if (!batch) throw new NotFound('batch')
    return batch
  }
  /** After the commit. */
  const hint = (workspace_id: string, batch: { id: string; state: string } | undefined) => {
    if (batch?.state === 'running') hints.batch({ workspace_id, batch_id: batch.id })
  }

  app.post(
    '/messages/bulk',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Conversations'],
        summary: 'Dismiss, hide, like or delete many messages, with a result for each; needs an Idempotency-Key',
        description:
          'Up to 500 messages that are named, or those of customers in a conversation or on a post to which the action can ' +
          'be done. What a batch is of is fixed by this call: what comes in later is not in it. 409 for a conversation ' +
          'that was merged.',
        body: batchBody,
        response: { 202: messageBatchView },
      },
    },
    async (request, reply) => {
      const { credential, actor, body } = request
      const batch = await applyEffect(ctx, request, reply, { status: 202 }, async trx =>
        describeWithNetwork(trx, await createBatch(trx, body, credential, actor, now())),
      )
      hint(credential.workspace_id, batch)
      return reply
    },
  )

  app.get(
    '/message_batches',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List batches of messages, newest first',
        description: 'Those of which the caller sees all inboxes.',
        querystring: pageQuery,
        response: { 200: pageOf(messageBatchView) },
      },
    },
    async request => {
      const found = await pageById(ctx, cursors, request, (trx, next) => listBatches(trx, request.credential, next))
      return { ...found, data: found.data.map(describeBatch) }
    },
  )

  app.get(
    '/message_batches/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Read a batch of messages: how far it is, and what came of it',
        params: idParams,
        response: { 200: messageBatchView },
      },
    },
    ({ credential, params }) =>
      db.inWorkspace(credential.workspace_id, async trx =>
        describeWithNetwork(trx, await getBatch(trx, credential, params.id)),
      ),
  )

  app.get(
    '/message_batches/:id/items',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List the messages of a batch with what became of each',
        description:
          'In the order of their ids. `result` leaves those that ended so, `action_state` those whose action on the ' +
          'network stands so, such as `rejected`.',
        params: idParams,
        querystring: batchItemQuery,
        response: { 200: pageOf(batchItemView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = await getBatch(trx, request.credential, request.params.id)
        const found = await page(cursors, request, byMessage, next => listItems(trx, id, request.query, next))
        return { ...found, data: found.data.map(describeItem) }
      }),
  )

  app.post(
    '/message_batches/:id/undo',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Conversations'],
        summary: 'Take a batch of messages back, by another batch; needs an Idempotency-Key',
        description:
          'What it changed and is still as it left it. One that goes on is stopped. 409 for deletions, and for one that is ' +
          'taken back already.',
        params: idParams,
        response: { 202: messageBatchView },
      },
    },
    async (request, reply) => {
      const { credential, actor, params } = request
      const batch = await applyEffect(ctx, request, reply, { status: 202 }, async trx =>
        describeWithNetwork(trx, await undoBatch(trx, params.id, credential, actor, now())),
      )
      hint(credential.workspace_id, batch)
      return reply
    },
  )
}
