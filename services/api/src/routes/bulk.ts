import {
  bulkBody,
  bulkResults,
  conversationBatchQuery,
  conversationBatchView,
  conversationBatchWithResults,
  idParams,
  pageOf,
} from '@parley/contracts'
import { actOnMany, describeBulkRun, readBulkRun } from '@parley/core'
import { listBulkRuns, lockBulkRun, type Trx } from '@parley/db'
import { pageById } from '../paging.ts'
import { fingerprintOf, idempotencyKey } from '../plugins/effects.ts'
import { refuseUnknownActions } from '../refuse-unknown-actions.ts'
import type { Routes } from '../zod-plugin.ts'

/** The same done to many conversations, and how far that is. */
export const bulkRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now, wakeUps } = ctx

  app.post(
    '/conversations/bulk',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Do the same to up to 500 conversations, with one result for each',
        description: 'With an Idempotency-Key, the same call sent again goes on where the first one ended.',
        body: bulkBody,
        response: { 200: bulkResults },
      },
    },
    async (request, reply) => {
      const { credential, actor, body } = request
      const { workspace_id, id: credential_id, user_id } = credential
      const key = idempotencyKey(request)
      const made = { credential_id, user_id, fingerprint: fingerprintOf(request) }
      const run = key === undefined ? undefined : { ...made, key }
      const inTransaction = <T>(work: (trx: Trx) => Promise<T>) => db.inWorkspace(workspace_id, work)
      await inTransaction(async trx => {
        // One that has begun goes on, whatever is gone since.
        if (!run || !(await lockBulkRun(trx, run))) await refuseUnknownActions(trx, body.actions, credential)
      })
      const acting = { actor, user_id }
      const answer = await actOnMany(inTransaction, body, run, acting, credential, now()).finally(() =>
        wakeUps.publish(workspace_id),
      )
      return reply.send(answer)
    },
  )

  app.get(
    '/conversation_batches',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List bulk calls that had an Idempotency-Key, with how far they are',
        description: 'Your own; leads and administrators read those of everybody. They are kept for a day or longer.',
        querystring: conversationBatchQuery,
        response: { 200: pageOf(conversationBatchView) },
      },
    },
    async request => {
      const { idempotency_key } = request.query
      const found = await pageById(ctx, cursors, request, (trx, next) =>
        listBulkRuns(trx, request.credential, idempotency_key, next),
      )
      return { ...found, data: found.data.map(describeBulkRun) }
    },
  )

  app.get(
    '/conversation_batches/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Read how far a bulk call is, with the results so far',
        description:
          'Others than who made it, leads and administrators, read the results of conversations that they see.',
        params: idParams,
        response: { 200: conversationBatchWithResults },
      },
    },
    ({ credential, params }) => db.inWorkspace(credential.workspace_id, trx => readBulkRun(trx, params.id, credential)),
  )
}
