import { calendarBody, calendarView, pageOf, pageQuery } from '@parley/contracts'
import { createCalendar } from '@parley/core'
import { listCalendars } from '@parley/db'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** The hours in which a promise counts. */
export const calendarRoutes: Routes = async (app, { ctx, cursors }) => {
  const { now } = ctx

  app.get(
    '/calendars',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List business hours',
        querystring: pageQuery,
        response: { 200: pageOf(calendarView) },
      },
    },
    request => pageById(ctx, cursors, request, listCalendars),
  )

  app.post(
    '/calendars',
    {
      config: { access: 'lead' },
      schema: { tags: ['Leads'], summary: 'Save business hours', body: calendarBody, response: { 201: calendarView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, trx => createCalendar(trx, request.body, now()))
      return reply
    },
  )
}
