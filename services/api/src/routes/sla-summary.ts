import { countedClocksQuery, countedClockView, pageOf, slaSummaryQuery, slaSummaryView } from '@parley/contracts'
import { findClocksReadUpTo, readSlaSummary } from '@parley/core'
import {
  type ClockSelection,
  type Credential,
  type ListedCountedClock,
  listClocksOfMeasure,
  type Trx,
} from '@parley/db'
import { REPORT_STATISTICS, SLA_DIMENSIONS, SLA_MEASURE_NAMES, type SlaDimension } from '@parley/domain'
import { z } from 'zod'
import { page } from '../paging.ts'
import { refuseUnknownNames } from '../refuse-unknown.ts'
import { reportCsv } from '../report-csv.ts'
import type { Routes } from '../zod-plugin.ts'

const byTime = {
  schema: z.object({ at: z.iso.datetime().transform(text => new Date(text)), id: z.string() }),
  of: ({ at, id }: { at: Date; id: string }) => ({ at, id }),
}

/** Whether promises were kept, and the clocks behind each number. */
export const slaSummaryRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/sla/summary',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Whether what was promised was kept, and how long it took, by metric',
        description: 'With `format=csv` its rows as CSV. A row stands for what there was something of.',
        querystring: slaSummaryQuery,
        response: { 200: slaSummaryView },
      },
    },
    async ({ query, credential }, reply) => {
      const { from, to, cohort, time_zone, interval, format, group_by = [] } = query
      const found = await db.readInWorkspace(credential.workspace_id, async trx => {
        const asked = { from, to, cohort, time_zone, interval, group_by, ...(await chosen(trx, credential, query)) }
        return readSlaSummary(trx, asked, now())
      })
      if (format === 'json') return { cohort, from, to, time_zone, interval, ...found } as never
      reply.header('content-type', 'text/csv; charset=utf-8')
      reply.header('content-disposition', 'attachment; filename="sla_summary.csv"')
      return reply.send(reportCsv(found, columnsOf(group_by)) as never)
    },
  )

  app.get(
    '/sla/summary/conversations',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List the clocks that a number of the summary counts, with their conversations, oldest first',
        description: 'As many as the number says: with the cohort, period, metric, group and filters of its row.',
        querystring: countedClocksQuery,
        response: { 200: pageOf(countedClockView) },
      },
    },
    request => {
      const { query, credential } = request
      const { from, to, cohort, measure } = query
      return db.readInWorkspace(credential.workspace_id, async trx => {
        const at = now()
        const as_of = (await findClocksReadUpTo(trx, at)) ?? at
        const filter = { from, to, cohort, measure, as_of, ...(await chosen(trx, credential, query)) }
        const found = await page(cursors, request, byTime, next => listClocksOfMeasure(trx, filter, next))
        return { ...found, data: found.data.map(describe) as never[] }
      })
    },
  )
}

type Choices = Partial<Record<SlaDimension, string[] | undefined>> & { metric?: ClockSelection['metrics'] | undefined }

/** What is asked for, of what the caller sees. @throws DomainError `validation_failed` for what there is not */
async function chosen(
  trx: Trx,
  caller: Credential,
  query: Choices,
): Promise<Pick<ClockSelection, 'filters' | 'inbox_ids' | 'metrics'>> {
  await refuseUnknownNames(trx, 'inbox', query.inbox_id, caller)
  await refuseUnknownNames(trx, 'channel', query.channel_id, caller)
  const asked = SLA_DIMENSIONS.flatMap(name => {
    const values = query[name]
    return values ? [[name, values.map(value => (value === 'none' ? null : value))] as const] : []
  })
  return { filters: Object.fromEntries(asked), inbox_ids: caller.inbox_ids, metrics: query.metric ?? null }
}

function describe({ calendar_ms, business_ms, ...clock }: ListedCountedClock) {
  const seconds = (ms: number | null) => (ms === null ? null : ms / 1000)
  return { ...clock, calendar_seconds: seconds(calendar_ms), business_seconds: seconds(business_ms) }
}

/** The columns of a row, in their order. */
function columnsOf(group_by: SlaDimension[]): string[] {
  const groups = SLA_DIMENSIONS.filter(name => group_by.includes(name))
  const times = ['calendar', 'business'].flatMap(kind => REPORT_STATISTICS.map(name => `${kind}_${name}_seconds`))
  return ['from', 'to', ...groups, 'metric', 'attainment', ...SLA_MEASURE_NAMES, ...times]
}
