import { connectorFor } from '@parley/connectors'
import {
  channelPatch,
  channelTestView,
  channelView,
  idParams,
  reconnectBody,
  resumedChannelView,
} from '@parley/contracts'
import { channelContext, deleteChannel, seal } from '@parley/core'
import { appendEvents, type Channel, findChannel, lockChannel, updateChannel } from '@parley/db'
import { DomainError, NotFound, type Role } from '@parley/domain'
import { channelPatchByKind, reconnectByKind } from '../channel-bodies.ts'
import { parseSettings } from '../connect-channel.ts'
import type { ApiContext } from '../context.ts'
import { getChannel } from '../get-channel.ts'
import { applyEffect } from '../plugins/effects.ts'
import { reconnectChannel } from '../reconnect-channel.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { testChannel } from '../test-channel.ts'
import type { Routes } from '../zod-plugin.ts'

/** What can be changed about a connected account. */
export const channelSettingsRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.patch(
    '/channels/:id',
    {
      config: { access: 'lead', documentedBody: channelPatchByKind },
      schema: {
        tags: ['Channels'],
        summary: 'Rename a channel, change how often its network is asked, or its settings',
        description:
          'Settings need the role admin, and take the place of the former ones as a whole. Where credentials are shown to ' +
          'the server that the settings name, both are changed together: by reconnecting.',
        params: idParams,
        body: channelPatch,
        response: { 200: channelView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'channel', request.params.id)
        const channel = await lockChannel(trx, request.params.id)
        if (!channel || channel.status === 'deleted') throw new NotFound('channel')
        if (Object.keys(request.body).length === 0) return channel
        const { settings: given, ...rest } = request.body
        const settings = given && changedSettings(ctx, channel, given, request.credential.role)
        await updateChannel(trx, channel.id, { ...rest, ...(settings ? { settings: JSON.stringify(settings) } : {}) })
        const change = { ...rest, ...(settings ? { settings } : {}) }
        const { name, poll_seconds, old_reply_seconds } = channel
        const previous = { name, poll_seconds, old_reply_seconds, ...(settings ? { settings: channel.settings } : {}) }
        const data = { channel_id: channel.id, ...change }
        await appendEvents(trx, [{ type: 'channel.updated', at: now(), actor: request.actor, data, previous }])
        return { ...channel, ...change }
      })
      return reply
    },
  )

  app.post(
    '/channels/:id/test',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Try a channel: its login, its servers, the right to answer, each by itself',
        description:
          'Calls the network with the credentials of the channel, also of one that is paused or disabled. Nothing is ' +
          'changed, here or there; `ok` is false when any of the checks is.',
        params: idParams,
        response: { 200: channelTestView },
      },
    },
    async request => {
      const { workspace_id } = request.credential
      const channel = await db.inWorkspace(workspace_id, trx => getChannel(trx, request.credential, request.params.id))
      return testChannel(ctx, channel)
    },
  )

  app.delete(
    '/channels/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Delete a channel: its credentials are wiped, its conversations stay',
        description:
          'Nothing more is read from its network, and its webhooks are answered with 410. Replies that had not been sent ' +
          'are cancelled; one whose outcome is not known yet stays unknown, for a person to decide.',
        params: idParams,
        response: { 200: channelView },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'channel', id)
        const context = channelContext({ workspace_id: request.credential.workspace_id, id })
        await deleteChannel(trx, id, seal(ctx.config.PARLEY_SECRET_KEY, context, {}), request.actor, now())
        return (await findChannel(trx, id))!
      })
      return reply
    },
  )

  app.post(
    '/channels/:id/reconnect',
    {
      config: { access: 'admin', documentedBody: reconnectByKind },
      schema: {
        tags: ['Channels'],
        summary: 'Let the account in again with new credentials; it goes on where it was',
        params: idParams,
        body: reconnectBody,
        response: { 200: resumedChannelView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const { id } = request.params
      const channel = await db.inWorkspace(workspace_id, trx => getChannel(trx, request.credential, id))
      // The network is asked before the transaction: no call to a network happens inside one.
      const reconnect = await reconnectChannel(ctx, channel, request.body)
      const connected = await applyEffect(ctx, request, reply, { status: 200 }, trx => reconnect(trx, request.actor))
      if (connected && connectorFor(connected.kind).poll) ctx.hints.poll({ workspace_id, channel_id: id })
      return reply
    },
  )
}

/** Where replies go and what is believed is the admin's to say; what credentials are shown to, nobody's without them. */
function changedSettings(ctx: ApiContext, channel: Channel, given: Record<string, unknown>, role: Role) {
  if (role !== 'admin') throw new DomainError('forbidden', 'Changing settings needs the role admin.')
  if (connectorFor(channel.kind).identify) {
    throw new DomainError(
      'validation_failed',
      'Settings of this kind are changed with its credentials: reconnect it.',
      {
        errors: [{ pointer: '/settings', detail: 'is changed by reconnecting' }],
      },
    )
  }
  return parseSettings(ctx, channel.kind, given)
}
