import {
  idParams,
  ledgerEventView,
  pageOf,
  pageQuery,
  parkedEventView,
  parkedOutcomes,
  parkedParams,
  parkedSelection,
} from '@parley/contracts'
import { discardManyParked, discardParked, retryManyParked, retryParked } from '@parley/core'
import { listParkedEvents } from '@parley/db'
import { z } from 'zod'
import { getChannel } from '../get-channel.ts'
import { page } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

const SELECTION =
  'Up to 500 `ids`, each with an outcome of its own; or `all`, of which a call takes the oldest 500: go on with ' +
  '`next_after` as `after` until it is null.'

/** Received events that could not become messages: a person sees why, and decides. */
export const parkedEventRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, hints, now } = ctx

  app.get(
    '/channels/:id/parked',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'List received events that could not become messages',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(parkedEventView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await getChannel(trx, request.credential, request.params.id)
        const position = { schema: z.string(), of: (row: { id: string }) => row.id }
        return page(cursors, request, position, next => listParkedEvents(trx, request.params.id, next))
      }),
  )

  app.post(
    '/channels/:id/parked/:event_id/retry',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Try a parked event again',
        description: '202 means that it is pending again; if it fails again it is parked again.',
        params: parkedParams,
        response: { 202: ledgerEventView },
      },
    },
    async (request, reply) => {
      const { id, event_id } = request.params
      const event = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        await getChannel(trx, request.credential, id)
        return retryParked(trx, id, event_id, request.actor, now())
      })
      if (event) hints.ingest({ workspace_id: request.credential.workspace_id, channel_id: id })
      return reply
    },
  )

  app.post(
    '/channels/:id/parked/:event_id/discard',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Give a parked event up',
        description: 'It will never become a message. The event log keeps who decided so, and why it was parked.',
        params: parkedParams,
        response: { 200: ledgerEventView },
      },
    },
    async (request, reply) => {
      const { id, event_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await getChannel(trx, request.credential, id)
        return discardParked(trx, id, event_id, request.actor, now())
      })
      return reply
    },
  )

  app.post(
    '/channels/:id/parked/retry',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Try many parked events again',
        description: SELECTION,
        params: idParams,
        body: parkedSelection,
        response: { 202: parkedOutcomes },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const outcomes = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        await getChannel(trx, request.credential, id)
        return retryManyParked(trx, id, request.body, request.actor, now())
      })
      if (outcomes) hints.ingest({ workspace_id: request.credential.workspace_id, channel_id: id })
      return reply
    },
  )

  app.post(
    '/channels/:id/parked/discard',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Give many parked events up',
        description: SELECTION,
        params: idParams,
        body: parkedSelection,
        response: { 200: parkedOutcomes },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await getChannel(trx, request.credential, id)
        return discardManyParked(trx, id, request.body, request.actor, now())
      })
      return reply
    },
  )
}
