import {
  countryHolidaysView,
  holidayImportBody,
  holidayImportView,
  holidayQuery,
  idParams,
  MAX_HOLIDAY_IMPORT_BYTES,
} from '@parley/contracts'
import {
  type HolidayImport,
  holidaysOfCountry,
  holidaysOfIcal,
  importHolidays,
  listCountryHolidays,
} from '@parley/core'
import { applyEffect, etagOf } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** The licence of the data asks that it be named wherever it is shown. */
const ATTRIBUTION = [
  'Holidays from date-holidays (https://github.com/commenthol/date-holidays), CC BY-SA 3.0,',
  'with attributions to Wikipedia and others in its LICENSE; times of day put into local hours by Parley.',
].join(' ')

/** Days on which nobody can be expected to answer. */
export const holidayRoutes: Routes = async (app, { ctx }) => {
  app.get(
    '/holidays',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List the holidays of a country or a region in a year, as business hours take them',
        querystring: holidayQuery,
        response: { 200: countryHolidaysView },
      },
    },
    async ({ query }) => ({ data: await listCountryHolidays(query, query.year), attribution: ATTRIBUTION }),
  )

  app.post(
    '/calendars/:id/holidays/import',
    {
      config: { access: 'lead' },
      bodyLimit: MAX_HOLIDAY_IMPORT_BYTES,
      schema: {
        tags: ['Leads'],
        summary: 'Put the holidays of a country, or of an iCalendar text, into business hours',
        params: idParams,
        body: holidayImportBody,
        response: { 200: holidayImportView },
      },
    },
    async (request, reply) => {
      const { body, params, actor } = request
      const now = ctx.now()
      // Before the transaction, so that no row stays locked while recurrences are worked out.
      const source =
        'ical' in body ? await holidaysOfIcal(body.ical, now, ctx.monotonicMs) : await holidaysOfCountry(body)
      await applyEffect(
        ctx,
        request,
        reply,
        { status: 200, headers: (result: HolidayImport) => etagOf(result.calendar) },
        trx => importHolidays(trx, params.id, source, body.dry_run, actor, now),
      )
      return reply
    },
  )
}
