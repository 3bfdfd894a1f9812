import { connectorFor } from '@parley/connectors'
import { idParams, inboundAnswer } from '@parley/contracts'
import { acceptInbound, openChannel } from '@parley/core'
import { findChannel, findWorkspaceOfChannel } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import type { Routes } from '../zod-plugin.ts'

const MAX_BODY_BYTES = 5 * 1024 * 1024

/** What networks and integrations post to us. Stored before it is answered; everything else happens after. */
export const inboundWebhookRoutes: Routes = async (app, { ctx }) => {
  const { db, hints, now, metrics } = ctx
  // A channel never changes its workspace, so the answer is kept. Ids that are not there are not remembered.
  const workspaces = new Map<string, string>()

  async function workspaceOf(channel_id: string): Promise<string> {
    const known = workspaces.get(channel_id)
    if (known) return known
    const workspace_id = await db.asSystem(trx => findWorkspaceOfChannel(trx, channel_id))
    if (!workspace_id) throw new NotFound('channel')
    workspaces.set(channel_id, workspace_id)
    return workspace_id
  }

  // The signature covers the bytes, so nothing may parse them before.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  app.post(
    '/:id',
    {
      bodyLimit: MAX_BODY_BYTES,
      config: { access: 'public' },
      schema: {
        tags: ['Inbound'],
        summary: 'Post events to a channel',
        description:
          'Signed with Standard Webhooks, or with a bearer secret where the channel has one. One event, or a batch of ' +
          'up to 500 as {"events": […]}. 202 means stored: it will become a message or a parked event.',
        params: idParams,
        response: { 200: inboundAnswer, 202: inboundAnswer },
      },
    },
    async (request, reply) => {
      const channel_id = request.params.id
      const workspace_id = await workspaceOf(channel_id)
      const received_at = now()
      const answer = await db.inWorkspace(workspace_id, async trx => {
        const channel = await findChannel(trx, channel_id)
        if (!channel) throw new NotFound('channel')
        if (channel.status === 'deleted') throw new DomainError('channel_gone', 'This channel was deleted.')
        const connector = connectorFor(channel.kind)
        if (!connector.receive) throw new NotFound('channel')
        const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
        const webhook = { headers: request.headers, rawBody, now: received_at }
        const batch = connector.receive(openChannel(ctx.config.PARLEY_SECRET_KEY, channel), webhook)
        const stored = await acceptInbound(trx, channel_id, batch.events, received_at)
        return { ...stored, rejected: batch.rejected }
      })
      const { accepted, duplicates, rejected } = answer
      metrics.inboundEvents.inc({ outcome: 'accepted' }, accepted)
      metrics.inboundEvents.inc({ outcome: 'duplicate' }, duplicates)
      metrics.inboundEvents.inc({ outcome: 'rejected' }, rejected.length)
      reply.code(accepted + duplicates + rejected.length > 0 ? 202 : 200).send(answer)
      if (accepted > 0) hints.ingest({ workspace_id, channel_id })
      return reply
    },
  )
}
