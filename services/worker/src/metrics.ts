import type { NormalisedEvent } from '@parley/core'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** A batch whose transaction has committed: what it claimed and did not apply it has parked. */
export type CommittedBatch = { events: NormalisedEvent[]; claimed: number; duration_ms: number }

export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>

/** What Prometheus reads at a worker's /metrics. */
export function createWorkerMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const ingestLag = new Histogram({
    name: 'parley_ingest_lag_seconds',
    help: 'From receiving an event to its place in the inbox',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600],
    registers,
  })
  const networkLag = new Histogram({
    name: 'parley_network_lag_seconds',
    help: 'From what somebody wrote to our receiving it, by the clock of the network',
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30, 60, 300, 900, 3600, 86_400],
    registers,
  })
  const events = new Counter({
    name: 'parley_ingest_events_total',
    help: 'Events taken from the ledger: applied, ignored or parked',
    labelNames: ['outcome'],
    registers,
  })
  const batchEvents = new Histogram({
    name: 'parley_ingest_batch_events',
    help: 'Events in one batch',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500],
    registers,
  })
  const batchSeconds = new Histogram({
    name: 'parley_ingest_batch_seconds',
    help: 'From claiming a batch to its commit',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  })
  const attachments = new Counter({
    name: 'parley_attachments_total',
    help: 'Attempts to fetch a file of a message, by what came of them',
    labelNames: ['outcome'],
    registers,
  })
  const feedEvents = new Counter({
    name: 'parley_feed_events_total',
    help: 'Events of the log that a consumer handled, or left behind for a person',
    labelNames: ['consumer', 'outcome'],
    registers,
  })
  const feedLag = new Gauge({
    name: 'parley_feed_lag_seconds',
    help: 'Age of the oldest event that a consumer has not read, in any workspace',
    labelNames: ['consumer'],
    registers,
  })
  const slaBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86_400]
  const breachLag = new Histogram({
    name: 'parley_sla_detection_lag_seconds',
    help: 'From when a promise fell due to when that was recorded, by the tick or by a change that came first; also of what had reached us after it was due',
    buckets: slaBuckets,
    registers,
  })
  const warningLag = new Histogram({
    name: 'parley_sla_warning_lag_seconds',
    help: 'From when it was to be told that a promise is about to fall due to when it was',
    buckets: slaBuckets,
    registers,
  })
  const slaDifferences = new Counter({
    name: 'parley_sla_differences_total',
    help: 'Clocks of which the daily check found something stored otherwise than the log has it',
    labelNames: ['level', 'field'],
    registers,
  })
  return {
    registry,
    countSlaDifference: (level: string, field: string): void => slaDifferences.inc({ level, field }),
    countFeedEvents: (consumer: string, outcome: 'handled' | 'skipped', count: number): void =>
      feedEvents.inc({ consumer, outcome }, count),
    setFeedLag: (consumer: string, seconds: number): void => feedLag.set({ consumer }, seconds),
    countAttachment: (outcome: string): void => attachments.inc({ outcome }),
    observeBatch: (batch: CommittedBatch, now: Date): void => {
      batchEvents.observe(batch.claimed)
      batchSeconds.observe(batch.duration_ms / 1000)
      let ignored = 0
      for (const { event, received_at } of batch.events) {
        ingestLag.observe(secondsBetween(received_at, now))
        if (event.type === 'message') networkLag.observe(secondsBetween(new Date(event.occurred_at), received_at))
        if (event.type === 'ignored') ignored += 1
      }
      events.inc({ outcome: 'applied' }, batch.events.length - ignored)
      events.inc({ outcome: 'ignored' }, ignored)
      events.inc({ outcome: 'parked' }, batch.claimed - batch.events.length)
    },
    observeBreach: (due_at: Date, detected_at: Date): void => breachLag.observe(secondsBetween(due_at, detected_at)),
    observeWarning: (warn_at: Date, told_at: Date): void => warningLag.observe(secondsBetween(warn_at, told_at)),
    /** An event that was parked by itself, after it had failed alone. */
    countParked: (): void => events.inc({ outcome: 'parked' }),
  }
}

/** Never negative: a network's clock may be ahead of ours. */
const secondsBetween = (from: Date, to: Date) => Math.max(0, (to.getTime() - from.getTime()) / 1000)
