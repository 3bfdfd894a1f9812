import { connectorFor } from '@parley/connectors'
import { backfillBody, backfillView, idParams } from '@parley/contracts'
import { cancelBackfill, startBackfill } from '@parley/core'
import { findLatestBackfill } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import { getChannel } from '../get-channel.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

const DAY_MS = 24 * 3_600_000

/** A channel's history, as far back as somebody wants it. What it brings is kept and read, and starts nothing. */
export const backfillRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.post(
    '/channels/:id/backfill',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: "Read the channel's history",
        description:
          'Back to an instant or some days, at most a year. It is read page by page beside what is new; GET tells how ' +
          'far it has come. Not every network has a history to read.',
        params: idParams,
        body: backfillBody,
        response: { 202: backfillView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const { body } = request
      const channel_id = request.params.id
      const backfill = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        const channel = await getChannel(trx, request.credential, channel_id)
        if (!connectorFor(channel.kind).readHistory) {
          throw new DomainError('history_unavailable', "This channel's network has no history to read.")
        }
        const since = 'since' in body ? body.since : new Date(now().getTime() - body.days * DAY_MS)
        return startBackfill(trx, { channel_id, since }, request.actor, now())
      })
      if (backfill) ctx.hints.poll({ workspace_id, channel_id })
      return reply
    },
  )

  app.get(
    '/channels/:id/backfill',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: "How far the last reading of the channel's history has come",
        params: idParams,
        response: { 200: backfillView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await getChannel(trx, request.credential, request.params.id)
        const backfill = await findLatestBackfill(trx, request.params.id)
        if (!backfill) throw new NotFound('backfill')
        return backfill
      }),
  )

  app.delete(
    '/channels/:id/backfill',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: "Stop reading the channel's history; what it has brought stays",
        params: idParams,
        response: { 200: backfillView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await getChannel(trx, request.credential, request.params.id)
        return cancelBackfill(trx, request.params.id, request.actor, now())
      })
      return reply
    },
  )
}
