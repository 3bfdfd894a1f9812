import { feedFailureParams, feedFailureView, feedParams, feeds, pageOf, pageQuery } from '@parley/contracts'
import { retryFeedFailure } from '@parley/core'
import { findFeedCursor, listFeedFailures, listFeedStates } from '@parley/db'
import { NotFound } from '@parley/domain'
import type { z } from 'zod'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** What follows the event log inside Parley: how far it has come, and what it could not handle. */
export const feedRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/feeds',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Operation'],
        summary: 'List what follows the event log, and how far each has come',
        response: { 200: feeds },
      },
    },
    async request => {
      const states = await db.inWorkspace(request.credential.workspace_id, listFeedStates)
      const data = states.map(({ xact, seq, attempts, error, retry_at, ...state }) => ({
        ...state,
        cursor: `${xact}-${seq}`,
        trouble: error !== null && retry_at ? { attempts, error, retry_at } : null,
      }))
      return { data }
    },
  )

  app.get(
    '/feeds/:consumer/failures',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Operation'],
        summary: 'List events that a consumer left behind',
        params: feedParams,
        querystring: pageQuery,
        response: { 200: pageOf(feedFailureView) },
      },
    },
    async request => {
      const { consumer } = request.params
      const found = await pageById(ctx, cursors, request, async (trx, page) => {
        if (!(await findFeedCursor(trx, consumer))) throw new NotFound('feed')
        return listFeedFailures(trx, consumer, page)
      })
      return found as z.output<ReturnType<typeof pageOf<typeof feedFailureView>>>
    },
  )

  app.post(
    '/feeds/:consumer/failures/:id/retry',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Operation'],
        summary: 'Let a consumer try an event again that it left behind',
        description:
          '202 means that it is pending; if it fails again it is listed again. It is handled late, by itself.',
        params: feedFailureParams,
        response: { 202: feedFailureView },
      },
    },
    async (request, reply) => {
      const { consumer, id } = request.params
      await applyEffect(ctx, request, reply, { status: 202 }, trx =>
        retryFeedFailure(trx, consumer, id, request.actor, now()),
      )
      return reply
    },
  )
}
