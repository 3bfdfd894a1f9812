import { slaForecastQuery, slaForecastView } from '@parley/contracts'
import { forecastSla } from '@parley/core'
import type { Credential } from '@parley/db'
import { refuseUnknownNames } from '../refuse-unknown.ts'
import type { Routes } from '../zod-plugin.ts'

const HOUR_MS = 3_600_000

/** What will not be answered in time if nothing changes. */
export const slaForecastRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.get(
    '/sla/forecast',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Forecast which answers will be late within the next hours if nothing changes',
        description: 'The clocks that it is about are in `/v1/sla/at-risk?within_seconds=`.',
        querystring: slaForecastQuery,
        response: { 200: slaForecastView },
      },
    },
    async ({ query, credential }) => {
      const { hours, window_hours } = query
      const from = now()
      const found = await db.readInWorkspace(credential.workspace_id, async trx => {
        await refuseUnknownNames(trx, 'inbox', query.inbox_id, credential)
        return forecastSla(trx, { inbox_ids: asked(query.inbox_id, credential), hours, window_hours }, from)
      })
      return { from, to: new Date(from.getTime() + hours * HOUR_MS), ...rounded(found) }
    },
  )
}

/** What is asked for is seen by the caller. */
const asked = (inbox_id: string[] | undefined, { inbox_ids }: Credential) => inbox_id ?? inbox_ids

type Forecast = Awaited<ReturnType<typeof forecastSla>>
type Expected = { due: number; breached: number }

/** What is expected is told in hundredths, and still adds up. */
function expected<T extends Expected>(of: T): T & { answered: number } {
  const [due, breached] = [hundredths(of.due), hundredths(of.breached)]
  return { ...of, due, breached, answered: hundredths(due - breached) }
}
const hundredths = (count: number) => Math.round(count * 100) / 100

function rounded({ total, inboxes, ...rest }: Forecast) {
  return {
    ...rest,
    total: { ...expected(total), hours: total.hours.map(expected) },
    inboxes: inboxes.map(({ assumed, ...inbox }) => {
      const { arrivals_per_hour, answers_per_open_hour, open_hours } = assumed
      const told = { arrivals_per_hour, answers_per_open_hour, open_hours }
      const rates = Object.fromEntries(Object.entries(told).map(([name, value]) => [name, hundredths(value)]))
      return { ...expected(inbox), hours: inbox.hours.map(expected), assumed: { ...assumed, ...rates } }
    }),
  }
}
