import {
  countedQuery,
  countedView,
  pageOf,
  type ReportQueryInput,
  rebuiltView,
  reportParams,
  reportQuery,
  reportView,
} from '@parley/contracts'
import { type ReportQuery, readReport, rebuildReports } from '@parley/core'
import { type CountedThing, type Credential, listCounted, type Trx } from '@parley/db'
import {
  DomainError,
  REPORT_DEFINITIONS,
  REPORT_DIMENSIONS,
  REPORT_MEASURES,
  REPORT_STATISTICS,
  REPORTS,
  type ReportDimension,
  type ReportName,
} from '@parley/domain'
import { z } from 'zod'
import { page } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnknownNames } from '../refuse-unknown.ts'
import { reportCsv } from '../report-csv.ts'
import type { Routes } from '../zod-plugin.ts'

const SUMMARIES: Record<ReportName, string> = {
  volume: 'Report how much came in, went out, and became of conversations',
  coverage: 'Report what became of everything customers said',
  response_times: 'Report how long customers waited for the answers they got',
  agents: 'Report what people did, by whom it is to the credit of',
  channels: 'Report volume and coverage of each channel',
  tags: 'Report volume and coverage of each tag',
  ingest: 'Report how late messages reached us and became messages here',
}

const byTime = {
  schema: z.object({ at: z.iso.datetime().transform(text => new Date(text)), id: z.string() }),
  of: ({ at, id }: { at: Date; id: string }) => ({ at, id }),
}

/** What leads look at: numbers of the past, and what is behind each of them. */
export const reportRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  for (const report of REPORTS) {
    app.get(
      `/reports/${report}`,
      {
        config: { access: 'lead' },
        schema: {
          tags: ['Leads'],
          summary: SUMMARIES[report],
          description: 'With `format=csv` its rows as CSV. A row stands for what there was something of.',
          querystring: reportQuery(report),
          response: { 200: reportView(report) },
        },
      },
      async (request, reply) => {
        const query = request.query as ReportQueryInput
        const { credential } = request
        const { from, to, time_zone, interval, format, group_by = [] } = query
        const found = await db.readInWorkspace(credential.workspace_id, async trx => {
          const asked = { from, to, time_zone, interval, group_by, ...(await chosen(trx, credential, query)) }
          return readReport(trx, report, asked, now())
        })
        const answer = { report, ...{ from, to, time_zone, interval }, ...found }
        if (format === 'json') return answer as never
        reply.header('content-type', 'text/csv; charset=utf-8')
        reply.header('content-disposition', `attachment; filename="${report}.csv"`)
        return reply.send(reportCsv(found, columnsOf(report, group_by)) as never)
      },
    )
  }

  app.get(
    '/reports/:report/conversations',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List what a number of a report counts, oldest first',
        description: 'As many as the number says: with the period, the group and the filters of its row.',
        params: reportParams,
        querystring: countedQuery,
        response: { 200: pageOf(countedView) },
      },
    },
    async request => {
      const { query, credential } = request
      const { from, to, measure, reason } = query
      refuseStrange(request.params.report, query)
      return db.readInWorkspace(credential.workspace_id, async trx => {
        const filter = { from, to, reason, ...REPORT_MEASURES[measure], ...(await chosen(trx, credential, query)) }
        const found = await page(cursors, request, byTime, next => listCounted(trx, filter, next))
        return { ...found, data: found.data.map(describe) }
      })
    },
  )

  app.post(
    '/reports/rebuild',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Leads'],
        summary: 'Count reports anew from the beginning of the log',
        description: '202 means that it has begun: until it is done, `as_of` tells how far it has come.',
        response: { 202: rebuiltView },
      },
    },
    async (request, reply) => {
      const begun_at = now()
      const done = await applyEffect(ctx, request, reply, { status: 202 }, async trx => {
        await rebuildReports(trx, begun_at)
        return { begun_at }
      })
      if (done) ctx.wakeUps.publish(request.credential.workspace_id)
      return reply
    },
  )
}

type Choices = Partial<Record<ReportDimension, string[] | undefined>>

/** What is asked for, of what the caller sees. @throws DomainError `validation_failed` for what there is not */
async function chosen(
  trx: Trx,
  caller: Credential,
  query: Choices,
): Promise<Pick<ReportQuery, 'filters' | 'inbox_ids'>> {
  await refuseUnknownNames(trx, 'inbox', query.inbox_id, caller)
  await refuseUnknownNames(trx, 'channel', query.channel_id, caller)
  const asked = REPORT_DIMENSIONS.flatMap(name => {
    const values = query[name]
    return values ? [[name, values.map(value => (value === 'none' ? null : value))] as const] : []
  })
  return { filters: Object.fromEntries(asked), inbox_ids: caller.inbox_ids }
}

/** @throws DomainError `validation_failed` for a number or a filter that the report does not have */
function refuseStrange(report: ReportName, query: z.output<typeof countedQuery>): void {
  const { measures, always, group_by, filters } = REPORT_DEFINITIONS[report]
  if (!measures.includes(query.measure))
    throw new DomainError('validation_failed', `${report} has these measures: ${measures.join(', ')}.`)
  const known = new Set<string>([...always, ...group_by, ...filters])
  const strange = REPORT_DIMENSIONS.find(name => query[name] && !known.has(name))
  if (strange) throw new DomainError('validation_failed', `${report} knows nothing of ${strange}.`)
}

function describe({ kind, id, wait_ms, outcome, reason, ...thing }: CountedThing) {
  const { at, conversation_id, number, inbox_id, channel_id, post_id, tag_ids, team_id, user_id, answer_id } = thing
  const said = kind === 'message' || kind === 'reply'
  return {
    ...{ id, at, conversation_id, number, message_id: said ? id : null },
    ...{ inbox_id, channel_id, post_id, tag_ids, team_id, user_id },
    outcome: outcome || null,
    reason: reason || null,
    answer_id,
    response_seconds: wait_ms === null ? null : wait_ms / 1000,
  }
}

/** The columns of a row, in their order. */
function columnsOf(report: ReportName, group_by: ReportDimension[]): string[] {
  const { always, measures, times } = REPORT_DEFINITIONS[report]
  const groups = REPORT_DIMENSIONS.filter(name => always.includes(name) || group_by.includes(name))
  const statistics = times.flatMap(({ prefix }) => REPORT_STATISTICS.map(name => `${prefix}${name}_seconds`))
  return ['from', 'to', ...groups, ...measures, ...statistics, ...(report === 'coverage' ? ['reasons'] : [])]
}
