import {
  calendarBody,
  calendarImportBody,
  calendarPatch,
  calendarVersionView,
  calendarView,
  idParams,
  namedImportView,
  pageOf,
  pageQuery,
  previewBody,
  previewView,
} from '@parley/contracts'
import { changeCalendar, createCalendar, importCalendars, previewCalendar } from '@parley/core'
import {
  type CalendarRow,
  type CalendarVersionRow,
  findCalendar,
  listCalendars,
  listCalendarVersions,
} from '@parley/db'
import { NotFound } from '@parley/domain'
import { z } from 'zod'
import { page, pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** The hours in which a promise counts. */
export const calendarRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

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
    async request => {
      const { data, next_cursor } = await pageById(ctx, cursors, request, listCalendars)
      return { data: data.map(asSaved), next_cursor }
    },
  )

  app.post(
    '/calendars',
    {
      config: { access: 'lead' },
      schema: { tags: ['Leads'], summary: 'Save business hours', body: calendarBody, response: { 201: calendarView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, trx =>
        createCalendar(trx, request.body, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/calendars/:id',
    {
      config: { access: 'lead' },
      schema: { tags: ['Leads'], summary: 'Read business hours', params: idParams, response: { 200: calendarView } },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const calendar = await db.inWorkspace(workspace_id, trx => findCalendar(trx, request.params.id))
      if (!calendar) throw new NotFound('calendar')
      return reply.headers(etagOf(calendar)).send(asSaved(calendar))
    },
  )

  app.patch(
    '/calendars/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Make the next version of business hours, which open clocks do not follow; needs If-Match',
        params: idParams,
        body: calendarPatch,
        response: { 200: calendarView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, trx =>
        changeCalendar(trx, request.params.id, request.body, seen, request.actor, now()),
      )
      return reply
    },
  )

  app.post(
    '/calendars/import',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Save business hours by their names; what says the same makes no version',
        body: calendarImportBody,
        response: { 200: namedImportView },
      },
    },
    async (request, reply) => {
      const { calendars, dry_run } = request.body
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => ({
        dry_run,
        data: await importCalendars(trx, calendars, dry_run, request.actor, now()),
      }))
      return reply
    },
  )

  app.post(
    '/calendars/preview',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Tell when hours would be open, and when a target would be due; nothing is saved',
        body: previewBody,
        response: { 200: previewView },
      },
    },
    async ({ body }) => {
      const { definition, from, to, start, target_seconds } = body
      const target = start && target_seconds !== undefined ? { start, seconds: target_seconds } : undefined
      return previewCalendar({ definition, from, to, target })
    },
  )

  const byVersion = { schema: z.int(), of: ({ version }: CalendarVersionRow) => version }

  app.get(
    '/calendars/:id/versions',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List what business hours were, newest first, and who made them so',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(calendarVersionView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = request.params
        if (!(await findCalendar(trx, id))) throw new NotFound('calendar')
        const found = await page(cursors, request, byVersion, next => listCalendarVersions(trx, id, next))
        return { ...found, data: found.data.map(asVersion) }
      }),
  )
}

type Definition = z.output<typeof calendarView>['definition']

// Nothing else is ever stored: a definition is checked by its schema when it comes in.
const asSaved = (calendar: CalendarRow) => ({ ...calendar, definition: calendar.definition as Definition })
const asVersion = (version: CalendarVersionRow) => ({ ...version, definition: version.definition as Definition })
