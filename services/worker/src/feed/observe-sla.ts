import type { EventRow } from '@parley/db'
import type { WorkerMetrics } from '../metrics.ts'

/** How late what fell due was recorded, and what was about to was told, whoever did. */
export function observeSla(events: EventRow[], metrics: Pick<WorkerMetrics, 'observeBreach' | 'observeWarning'>): void {
  for (const { type, at, data } of events) {
    const { due_at, warn_at } = data as { due_at: string; warn_at: string }
    if (type === 'sla.breached') metrics.observeBreach(new Date(due_at), at)
    if (type === 'sla.warned') metrics.observeWarning(new Date(warn_at), at)
  }
}
