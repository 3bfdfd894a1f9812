import { bulkBody, bulkResults } from '@parley/contracts'
import { actOnMany } from '@parley/core'
import { lockBulkRun, type Trx } from '@parley/db'
import { fingerprintOf, idempotencyKey } from '../plugins/effects.ts'
import { refuseUnknownActions } from '../refuse-unknown-actions.ts'
import type { Routes } from '../zod-plugin.ts'

/** The same done to many conversations. */
export const bulkRoutes: Routes = async (app, { ctx }) => {
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
      const run = key === undefined ? undefined : { credential_id, key, fingerprint: fingerprintOf(request) }
      const inTransaction = <T>(work: (trx: Trx) => Promise<T>) => db.inWorkspace(workspace_id, work)
      await inTransaction(async trx => {
        // One that has begun goes on, whatever is gone since.
        if (!run || !(await lockBulkRun(trx, run))) await refuseUnknownActions(trx, body.actions, credential)
      })
      const acting = { actor, user_id }
      const data = await actOnMany(inTransaction, body, run, acting, credential, now()).finally(() =>
        wakeUps.publish(workspace_id),
      )
      return reply.send({ data })
    },
  )
}
