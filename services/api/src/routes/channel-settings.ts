import { connectorFor } from '@parley/connectors'
import { channelPatch, channelView, idParams, reconnectBody } from '@parley/contracts'
import { appendEvents, findChannel, lockChannel, type Trx, updateChannel } from '@parley/db'
import { NotFound } from '@parley/domain'
import { applyEffect } from '../plugins/effects.ts'
import { reconnectChannel } from '../reconnect-channel.ts'
import type { Routes } from '../zod-plugin.ts'

/** What can be changed about a connected account. */
export const channelSettingsRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.patch(
    '/channels/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Rename a channel or change how often its network is asked',
        params: idParams,
        body: channelPatch,
        response: { 200: channelView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        const channel = await lockChannel(trx, request.params.id)
        if (!channel || channel.status === 'deleted') throw new NotFound('channel')
        const change = request.body
        if (Object.keys(change).length === 0) return channel
        await updateChannel(trx, channel.id, change)
        const previous = { name: channel.name, poll_seconds: channel.poll_seconds }
        const data = { channel_id: channel.id, ...change }
        await appendEvents(trx, [{ type: 'channel.updated', at: now(), actor: request.actor, data, previous }])
        return { ...channel, ...change }
      })
      return reply
    },
  )

  app.post(
    '/channels/:id/reconnect',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Let the account in again with new credentials; it goes on where it was',
        params: idParams,
        body: reconnectBody,
        response: { 200: channelView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const { id } = request.params
      const channel = await db.inWorkspace(workspace_id, (trx: Trx) => findChannel(trx, id))
      if (!channel || channel.status === 'deleted') throw new NotFound('channel')
      // The network is asked before the transaction: no call to a network happens inside one.
      const reconnect = await reconnectChannel(ctx, channel, request.body.credentials)
      const connected = await applyEffect(ctx, request, reply, { status: 200 }, trx => reconnect(trx, request.actor))
      if (connected && connectorFor(connected.kind).poll) ctx.hints.poll({ workspace_id, channel_id: id })
      return reply
    },
  )
}
