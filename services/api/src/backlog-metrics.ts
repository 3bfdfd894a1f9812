import { type LedgerBacklog, readLedgerBacklog } from '@parley/db'
import type { QueueDepth } from '@parley/queue'
import { Gauge, Registry } from 'prom-client'
import type { ApiContext } from './context.ts'
import { within } from './within.ts'

/** Several scrapers, or a nervous one, cost no more than one. */
const KEEP_MS = 5_000
const DEADLINE_MS = 1_500
const COUNT_AT_MOST = 10_000

/**
 * What waits, read when it is asked for: in the ledgers of all workspaces and in the queues. What cannot be read in
 * time is left out, so that the graph shows a gap and not an old value.
 */
export function createBacklogMetrics({ db, hints, now, logger }: ApiContext) {
  let last: { at: number; text: Promise<string> } | undefined

  const read = async (): Promise<string> => {
    const registry = new Registry()
    const show = <T>(what: string, reading: Promise<T>, showAs: (registry: Registry, value: T, now: Date) => void) =>
      within(reading, DEADLINE_MS).then(
        value => showAs(registry, value, now()),
        err => logger.warn({ err, what }, 'backlog could not be read'),
      )
    const ledger = db.asSystem(trx => readLedgerBacklog(trx, COUNT_AT_MOST))
    await Promise.all([show('ledger', ledger, showLedger), show('queues', hints.depths(), showQueues)])
    return registry.metrics()
  }

  return {
    /** In the format of Prometheus. */
    text: (): Promise<string> => {
      const at = now().getTime()
      if (!last || Math.abs(at - last.at) >= KEEP_MS) last = { at, text: read() }
      return last.text
    },
  }
}

function showLedger(registry: Registry, { pending, parked, oldest_pending_at }: LedgerBacklog, now: Date): void {
  const show = (name: string, help: string, value: number) =>
    new Gauge({ name, help, registers: [registry] }).set(value)
  const most = `counted up to ${COUNT_AT_MOST}`
  const waitedMs = oldest_pending_at ? now.getTime() - oldest_pending_at.getTime() : 0
  show('parley_ledger_pending_events', `Received events that are not yet in the inbox, ${most}`, pending)
  show('parley_ledger_oldest_pending_seconds', 'How long the oldest of them has waited', Math.max(0, waitedMs / 1000))
  show('parley_ledger_parked_events', `Received events that wait for a person, ${most}`, parked)
}

function showQueues(registry: Registry, depths: QueueDepth[]): void {
  const gauge = new Gauge({
    name: 'parley_queue_jobs',
    help: 'Hints in a queue, by state',
    labelNames: ['queue', 'state'],
    registers: [registry],
  })
  for (const { queue, state, jobs } of depths) gauge.set({ queue, state }, jobs)
}
