import { CHANNEL_HEALTHS, CHANNEL_STATUSES } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut } from './common.ts'

const HOUR_MS = 3_600_000

export const INBOUND_SOURCES = ['webhook', 'poll', 'backfill'] as const

const ms = z.number().nullable()
const lags = z.object({ p50: ms, p99: ms, max: ms })

/** A count that stops at a limit: with `at_least` there are more than these. */
export const boundedCount = z.object({ count: z.int(), at_least: z.boolean() }).meta({ id: 'BoundedCount' })

export const channelHealthView = z
  .object({
    channel_id: id,
    health: z.enum(CHANNEL_HEALTHS),
    reasons: z.array(z.object({ code: z.string(), detail: z.string() })),
    status: z.enum(CHANNEL_STATUSES),
    status_reason: z.string().nullable(),
    /** How events reach it: the network calls us, we ask the network, or both. */
    fed_by: z.array(z.enum(['webhook', 'poll'])),
    last_received_at: instantOut.nullable(),
    last_processed_at: instantOut.nullable(),
    pending: boundedCount,
    oldest_pending_at: instantOut.nullable(),
    oldest_pending_seconds: z.int().nullable(),
    parked: boundedCount,
    /** Of the newest events of the last hour, at most a thousand: from us to the inbox, and from the network to us. */
    lag: z.object({ events: z.int(), ingest_ms: lags, network_ms: lags }),
    /** Null for a channel that is never polled. */
    poll: z
      .object({
        next_poll_at: instantOut,
        polled_at: instantOut.nullable(),
        failures: z.int(),
        resume_at: instantOut.nullable(),
      })
      .nullable(),
    as_of: instantOut,
  })
  .meta({ id: 'ChannelHealth' })

const fullHour = instantIn.refine(date => date.getTime() % HOUR_MS === 0, 'must be a full hour of UTC')

export const completenessQuery = z.strictObject({ from: fullHour.optional(), to: fullHour.optional() })

const counts = {
  received: z.int(),
  stored: z.int(),
  ignored: z.int(),
  parked: z.int(),
  discarded: z.int(),
  pending: z.int(),
  duplicates: z.int(),
}
const sources = z.array(z.object({ source: z.enum(INBOUND_SOURCES), ...counts }))
const medianLag = z.object({ p50: ms, max: ms })

export const completenessView = z
  .object({
    channel_id: id,
    from: instantOut,
    to: instantOut,
    as_of: instantOut,
    complete: z.boolean(),
    ...counts,
    sources,
    hours: z.array(
      z.object({
        hour: instantOut,
        complete: z.boolean(),
        ...counts,
        sources,
        ingest_ms: medianLag,
        network_ms: medianLag,
      }),
    ),
  })
  .meta({ id: 'Completeness' })
