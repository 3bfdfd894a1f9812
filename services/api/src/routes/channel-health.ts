import { connectorFor } from '@parley/connectors'
import {
  channelHealthView,
  channelView,
  completenessQuery,
  completenessView,
  idParams,
  resumedChannelView,
} from '@parley/contracts'
import { ALL_LANES, completenessPeriod, pauseChannel, readCompleteness, resumeChannel } from '@parley/core'
import { type Channel, type LedgerState, readLedgerState } from '@parley/db'
import { judgeChannelHealth } from '@parley/domain'
import { getChannel } from '../get-channel.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** Lags further back say nothing about how the channel does now. */
const LAGS_OF_MS = 3_600_000

/** How a channel does, what became of all that it received, and whether it works at all. */
export const channelHealthRoutes: Routes = async (app, { ctx }) => {
  const { db, hints, now, config } = ctx

  app.get(
    '/channels/:id/health',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'Tell whether a channel works, and what to do if it does not',
        description:
          '`failing` means that customers are not heard until somebody acts, `degraded` that they are heard late or that ' +
          'something waits for a person. Counts stop at a thousand; lags are of the newest events of the last hour.',
        params: idParams,
        response: { 200: channelHealthView },
      },
    },
    request => {
      const at = now()
      return db.inWorkspace(request.credential.workspace_id, async trx => {
        const channel = await getChannel(trx, request.credential, request.params.id)
        const since = new Date(at.getTime() - LAGS_OF_MS)
        return describeHealth(channel, await readLedgerState(trx, channel.id, ALL_LANES, since), at)
      })
    },
  )

  app.get(
    '/channels/:id/completeness',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'Count what a channel received, and what became of it, by the hour',
        description:
          'received = stored + ignored + parked + discarded + pending + duplicates, for the hours of UTC from `from` up to ' +
          '`to`: by default the last 24, at most seven days. An hour is complete when nothing of it is pending.',
        params: idParams,
        querystring: completenessQuery,
        response: { 200: completenessView },
      },
    },
    async request => {
      const as_of = now()
      const { workspace_id } = request.credential
      const { id } = request.params
      return db.readInWorkspace(workspace_id, async trx => {
        await getChannel(trx, request.credential, id)
        const period = completenessPeriod(request.query, config.PARLEY_LEDGER_DAYS, as_of)
        return { ...(await readCompleteness(trx, id, period)), as_of }
      })
    },
  )

  app.post(
    '/channels/:id/pause',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Let a channel rest',
        description:
          'What its network sends is still stored and waits, as do replies; it is not polled. Nothing is lost by it.',
        params: idParams,
        response: { 200: channelView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'channel', request.params.id)
        return pauseChannel(trx, request.params.id, request.actor, now())
      })
      return reply
    },
  )

  app.post(
    '/channels/:id/resume',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Let a paused channel go on where it was',
        params: idParams,
        response: { 200: resumedChannelView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const channel = await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'channel', request.params.id)
        return resumeChannel(trx, request.params.id, request.actor, now())
      })
      if (channel) hints.ingest({ workspace_id, channel_id: channel.id })
      if (channel?.next_poll_at) hints.poll({ workspace_id, channel_id: channel.id })
      return reply
    },
  )
}

function describeHealth(channel: Channel, ledger: LedgerState, as_of: Date) {
  const { id: channel_id, next_poll_at, poll_failures, resume_at, send_resume_at, polled_at } = channel
  const { oldest_pending_at, pending, parked, lag, last_received_at, last_processed_at } = ledger
  const connector = connectorFor(channel.kind)
  const status = channel.status as 'active' | 'paused' | 'disabled'
  const { status_reason } = channel
  const ingest_p50_ms = lag.ingest_ms.p50
  const times = { oldest_pending_at, next_poll_at, resume_at, send_resume_at }
  const facts = { status, status_reason, ingest_p50_ms, poll_failures, ...times }
  return {
    channel_id,
    ...judgeChannelHealth({ ...facts, parked: parked.count }, as_of),
    status,
    status_reason,
    fed_by: [...(connector.receive ? (['webhook'] as const) : []), ...(next_poll_at ? (['poll'] as const) : [])],
    last_received_at,
    last_processed_at,
    pending,
    oldest_pending_at,
    oldest_pending_seconds: oldest_pending_at
      ? Math.max(0, Math.floor((as_of.getTime() - oldest_pending_at.getTime()) / 1000))
      : null,
    parked,
    lag,
    poll: next_poll_at ? { next_poll_at, polled_at, failures: poll_failures, resume_at } : null,
    as_of,
  }
}
