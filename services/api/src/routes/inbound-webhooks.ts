import { connectorFor, InvalidSignature, type WebhookRequest } from '@parley/connectors'
import { idParams, inboundAnswer } from '@parley/contracts'
import { ledgerEntries } from '@parley/core'
import { NotFound } from '@parley/domain'
import { GroupCommit } from '../group-commit.ts'
import { type WebhookChannel, WebhookChannels } from '../webhook-channels.ts'
import type { Routes } from '../zod-plugin.ts'

const MAX_BODY_BYTES = 5 * 1024 * 1024

/** What networks and integrations post to us. Stored before it is answered; everything else happens after. */
export const inboundWebhookRoutes: Routes = async (app, { ctx }) => {
  const { db, hints, now, metrics } = ctx
  const channels = new WebhookChannels(db, ctx.config.PARLEY_SECRET_KEY)
  const groups = new GroupCommit(db)

  /** Believes the sender and stores what they say; `changed` when the channel is no longer as it is known here. */
  async function accept(channel: WebhookChannel, version: string | null, webhook: WebhookRequest) {
    const connector = connectorFor(channel.kind)
    if (!connector.receive) throw new NotFound('channel')
    const { events, rejected } = connector.receive(channel.opened, webhook)
    if (events.length === 0) return { accepted: 0, duplicates: 0, rejected }
    const entries = ledgerEntries(channel.opened.id, events, 'webhook', webhook.now)
    const receipt = await groups.accept(channel.workspace_id, { channel_id: channel.opened.id, version, entries })
    return receipt === 'changed' ? receipt : { ...receipt, rejected }
  }

  /** With what is known of the channel, else with what the database says of it now. */
  async function acceptFor(channel_id: string, webhook: WebhookRequest) {
    const kept = channels.kept(channel_id)
    const answer =
      kept &&
      (await accept(kept, kept.version, webhook).catch(error => {
        // The secret may have been changed a moment ago.
        if (error instanceof InvalidSignature) return 'changed' as const
        throw error
      }))
    if (answer && answer !== 'changed') return { workspace_id: kept.workspace_id, answer }
    const channel = await channels.read(channel_id)
    // A channel that is polled as well changes with every page. As it was read just now is new enough.
    const second = await accept(channel, null, webhook)
    if (second === 'changed') throw new NotFound('channel')
    return { workspace_id: channel.workspace_id, answer: second }
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
          'up to 500 as {"events": […]}. 202 means stored: it will become a message or a parked event. A message may ' +
          'bring `text`, `html` or both; `body_marks` of the message tells what had to be changed to store it.',
        params: idParams,
        response: { 200: inboundAnswer, 202: inboundAnswer },
      },
    },
    async (request, reply) => {
      const channel_id = request.params.id
      const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const webhook = { headers: request.headers, rawBody, now: now() }
      const { workspace_id, answer } = await acceptFor(channel_id, webhook)
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
