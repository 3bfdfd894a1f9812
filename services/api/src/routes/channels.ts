import {
  capabilitiesView,
  channelBody,
  channelView,
  idParams,
  messageView,
  outboxAckBody,
  outboxItem,
  outboxParams,
  outboxQuery,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { acknowledgeOutbox } from '@parley/core'
import { hastenPollTurn, listChannels, listQueuedReplies } from '@parley/db'
import { z } from 'zod'
import { capabilitiesOf } from '../capabilities-of.ts'
import { newChannelByKind } from '../channel-bodies.ts'
import { connectChannel } from '../connect-channel.ts'
import { getChannel } from '../get-channel.ts'
import { page, pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import { withAttachments, withItsAttachments } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

const byMessage = z.object({ occurred_at: z.iso.datetime().transform(text => new Date(text)), id: z.string() })

/** Connected accounts. */
export const channelRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/channels',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'List channels',
        querystring: pageQuery,
        response: { 200: pageOf(channelView) },
      },
    },
    request => pageById(ctx, cursors, request, (trx, page) => listChannels(trx, request.credential, page)),
  )

  app.post(
    '/channels',
    {
      config: { access: 'admin', documentedBody: newChannelByKind },
      schema: {
        tags: ['Channels'],
        summary: 'Connect an account',
        description:
          'Settings and credentials depend on the kind. A generic channel created without credentials gets a signing ' +
          'secret, which stands in this answer and nowhere else.',
        body: channelBody,
        response: { 201: channelView.extend({ generated_credentials: z.unknown() }) },
      },
    },
    async (request, reply) => {
      // The network is asked before the transaction: no call to a network happens inside one.
      const connect = await connectChannel(ctx, request.credential.workspace_id, request.body)
      await applyEffect(ctx, request, reply, { status: 201 }, trx => connect(trx, request.actor))
      return reply
    },
  )

  app.get(
    '/channels/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Channels'], summary: 'Read a channel', params: idParams, response: { 200: channelView } },
    },
    async request => {
      const channel = await db.inWorkspace(request.credential.workspace_id, trx =>
        getChannel(trx, request.credential, request.params.id),
      )
      return channel
    },
  )

  app.post(
    '/channels/:id/poll',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'Ask the network now instead of at the next turn',
        params: idParams,
        response: { 202: channelView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const { id } = request.params
      const channel = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        const found = await getChannel(trx, request.credential, id)
        // Not sooner than the network allowed, and not while it is being asked: a turn in progress stays.
        if (found.next_poll_at) await hastenPollTurn(trx, id, now(), { head_due_at: null })
        return found
      })
      if (channel?.next_poll_at) ctx.hints.poll({ workspace_id, channel_id: id })
      return reply
    },
  )

  app.get(
    '/channels/:id/capabilities',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: "What the channel's network allows",
        params: idParams,
        response: {
          200: capabilitiesView,
        },
      },
    },
    async request => {
      const channel = await db.inWorkspace(request.credential.workspace_id, trx =>
        getChannel(trx, request.credential, request.params.id),
      )
      return capabilitiesOf(channel)
    },
  )

  app.get(
    '/channels/:id/outbox',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'List replies that wait for the integration to carry them, oldest first',
        params: idParams,
        querystring: outboxQuery,
        response: { 200: pageOf(outboxItem) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        await getChannel(trx, request.credential, request.params.id)
        const position = {
          schema: byMessage,
          of: ({ occurred_at, id }: { occurred_at: Date; id: string }) => ({ occurred_at, id }),
        }
        const found = await page(cursors, request, position, next =>
          listQueuedReplies(trx, request.params.id, next, now()),
        )
        const rows = await withAttachments(trx, found.data)
        const data = rows.map(row => ({
          message_id: row.id,
          conversation_id: row.conversation_id,
          thread_id: row.thread_key,
          in_reply_to: row.parent_external_id,
          reply_context: row.parent_reply_context,
          text: row.body,
          visibility: row.visibility,
          queued_at: row.occurred_at,
          attachments: row.attachments,
        }))
        return { ...found, data }
      }),
  )

  app.post(
    '/channels/:id/outbox/:message_id/ack',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'Say what became of a reply from the outbox: its id on the network, or why it was refused',
        params: outboxParams,
        body: outboxAckBody,
        response: { 200: messageView },
      },
    },
    async (request, reply) => {
      const { id, message_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await getChannel(trx, request.credential, id)
        return withItsAttachments(trx, await acknowledgeOutbox(trx, id, message_id, request.body, now()))
      })
      return reply
    },
  )
}
