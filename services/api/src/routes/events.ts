import { eventPage, eventQuery } from '@parley/contracts'
import {
  type Credential,
  currentEventPosition,
  type EventPosition,
  type EventRow,
  keepVisible,
  listEventsAfter,
  seesEverything,
  type Trx,
} from '@parley/db'
import { z } from 'zod'
import { cursorOf, describeEvent, parseEventCursor } from '../describe-event.ts'
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
        description:
          'Without `after` from the beginning. `next_cursor` is null when there is nothing newer yet; a page may be short, or ' +
          'empty, and still have one: it leaves out what you do not see.',
        querystring: eventQuery,
        response: { 200: eventPage },
      },
    },
    async request => {
      const { after, limit } = request.query
      const position = after === undefined ? FROM_THE_BEGINNING : parseEventCursor(after)
      const { credential } = request
      const read = await ctx.db.inWorkspace(credential.workspace_id, trx =>
        readVisible(trx, credential, position, limit),
      )
      return { data: read.rows.map(describeEvent), next_cursor: read.last && cursorOf(read.last) }
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
        description:
          'Begins with what happens from now on, or after `Last-Event-ID`. Between the events, and without an id, `presence` ' +
          'tells who is at which conversation. Answers 429 to a key or session that has too many streams open.',
        headers: z.object({ 'last-event-id': z.string().optional() }).loose(),
        response: {
          200: { description: 'Until one side ends it', content: { 'text/event-stream': { schema: z.string() } } },
        },
      },
    },
    async (request, reply) => {
      const { credential, token } = request
      const { workspace_id } = credential
      const last = request.headers['last-event-id']
      const position =
        typeof last === 'string' && last !== ''
          ? parseEventCursor(last)
          : await ctx.db.inWorkspace(workspace_id, currentEventPosition)
      ctx.streams.refuseTooMany(credential)
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!)
      ctx.streams.open({ credential, token }, position, reply.raw)
    },
  )
}

/** More is not looked through for one answer: who sees little of a busy log gets a short page and a place to go on from. */
const MAX_READ = 5_000
const READ = 500

/** Events that the caller sees after a place, and how far the log was read for them; null when there was nothing. */
async function readVisible(trx: Trx, caller: Credential, position: EventPosition, limit: number) {
  const rows: EventRow[] = []
  let last: EventPosition | null = null
  for (let count = 0; count < MAX_READ && rows.length < limit; ) {
    const size = seesEverything(caller) ? limit : READ
    const read = await listEventsAfter(trx, last ?? position, size)
    const seen = (await keepVisible(trx, caller, read)).slice(0, limit - rows.length)
    rows.push(...seen)
    // A full page ends at its last event: what was read behind that comes with the next one.
    last = (rows.length === limit ? rows : read).at(-1) ?? last
    count += read.length
    if (read.length < size) break
  }
  return { rows, last }
}
