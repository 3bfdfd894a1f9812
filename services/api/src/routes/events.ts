import { eventPage, eventQuery } from '@parley/contracts'
import { currentEventPosition, findCredential, listEventsAfter } from '@parley/db'
import { z } from 'zod'
import { describeEvent, parseEventCursor } from '../describe-event.ts'
import type { Routes } from '../zod-plugin.ts'

const FROM_THE_BEGINNING = { xact: '0', seq: 0 }

/** The log, as pages and as a stream. Both give every event once, in commit order. */
export const eventRoutes: Routes = async (app, { ctx }) => {
  app.get(
    '/events',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Integrations'],
        summary: 'Read the event log from a place on',
        description: 'Without `after` from the beginning. `next_cursor` is null when there is nothing newer yet.',
        querystring: eventQuery,
        response: { 200: eventPage },
      },
    },
    async request => {
      const { after, limit } = request.query
      const position = after === undefined ? FROM_THE_BEGINNING : parseEventCursor(after)
      const { workspace_id } = request.credential
      const rows = await ctx.db.inWorkspace(workspace_id, trx => listEventsAfter(trx, position, limit))
      const data = rows.map(describeEvent)
      return { data, next_cursor: data.at(-1)?.cursor ?? null }
    },
  )

  app.get(
    '/events/stream',
    {
      // It would be held open like the stream itself.
      exposeHeadRoute: false,
      config: { access: 'agent' },
      schema: {
        tags: ['Integrations'],
        summary: 'Follow the event log as server-sent events',
        description: 'Begins with what happens from now on, or after `Last-Event-ID`.',
        headers: z.object({ 'last-event-id': z.string().optional() }).loose(),
        response: {
          200: { description: 'Until one side ends it', content: { 'text/event-stream': { schema: z.string() } } },
        },
      },
    },
    async (request, reply) => {
      const { workspace_id, id } = request.credential
      const last = request.headers['last-event-id']
      const position =
        typeof last === 'string' && last !== ''
          ? parseEventCursor(last)
          : await ctx.db.inWorkspace(workspace_id, currentEventPosition)
      const key = (request.headers.authorization ?? '').slice('Bearer '.length)
      // A key that is revoked or expires ends its streams too.
      const stillAllowed = async () => (await findCredential(ctx.db, key, ctx.now()))?.id === id
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!)
      ctx.streams.open(workspace_id, position, reply.raw, stillAllowed)
    },
  )
}
