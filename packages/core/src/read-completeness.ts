import { countLedgerHours, type EventCounts, type InboundSource, type Trx } from '@parley/db'
import { DomainError } from '@parley/domain'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MAX_DAYS = 7

export type Period = { from: Date; to: Date }

/**
 * The hours that are asked for: by default the present one and the 23 before it. Hours that have not begun are left out.
 * @throws DomainError `validation_failed` for a period that is empty, too long, or before what the ledger keeps
 */
export function completenessPeriod(
  asked: { from?: Date | undefined; to?: Date | undefined },
  ledger_days: number,
  now: Date,
): Period {
  const next = new Date(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS + HOUR_MS)
  const to = asked.to ?? next
  const from = asked.from ?? new Date(to.getTime() - DAY_MS)
  if (from >= to) throw refusal('/from', 'must lie before `to`')
  if (to.getTime() - from.getTime() > MAX_DAYS * DAY_MS) throw refusal('/to', `at most ${MAX_DAYS} days at once`)
  if (from.getTime() < now.getTime() - ledger_days * DAY_MS) {
    throw refusal('/from', `the ledger is kept for ${ledger_days} days`)
  }
  const begun = Math.max(from.getTime(), Math.min(to.getTime(), next.getTime()))
  return { from, to: new Date(begun) }
}

function refusal(pointer: string, detail: string): DomainError {
  return new DomainError('validation_failed', 'The period cannot be counted.', { errors: [{ pointer, detail }] })
}

type Totals = EventCounts & { received: number }
type SourceTotals = Totals & { source: InboundSource }

/** What became of a channel's events, by the hour in which they came: what was received is the sum of all outcomes. */
export async function readCompleteness(trx: Trx, channel_id: string, { from, to }: Period) {
  const rows = from < to ? await countLedgerHours(trx, channel_id, from, to) : []
  const bySource = rows.flatMap(row => (row.source ? [{ ...totals([row]), source: row.source, hour: row.hour }] : []))
  const overall = totals(rows.filter(row => row.source === null))
  return {
    channel_id,
    from,
    to,
    complete: overall.pending === 0,
    ...overall,
    sources: sumBySource(bySource),
    hours: rows
      .filter(row => row.source === null)
      .map(row => ({
        hour: row.hour,
        complete: row.pending === 0,
        ...totals([row]),
        sources: sumBySource(bySource.filter(({ hour }) => hour.getTime() === row.hour.getTime())),
        ingest_ms: { p50: row.ingest_p50, max: row.ingest_max },
        network_ms: { p50: row.network_p50, max: row.network_max },
      })),
  }
}

function totals(rows: EventCounts[]): Totals {
  const sum = (key: keyof EventCounts) => rows.reduce((total, row) => total + row[key], 0)
  const counts = {
    stored: sum('stored'),
    ignored: sum('ignored'),
    parked: sum('parked'),
    discarded: sum('discarded'),
    pending: sum('pending'),
    duplicates: sum('duplicates'),
  }
  return { received: Object.values(counts).reduce((total, count) => total + count, 0), ...counts }
}

function sumBySource(rows: (EventCounts & { source: InboundSource })[]): SourceTotals[] {
  const sources = [...new Set(rows.map(row => row.source))].sort()
  return sources.map(source => ({ source, ...totals(rows.filter(row => row.source === source)) }))
}
