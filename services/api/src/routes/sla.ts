import {
  atRiskQuery,
  breachedClock,
  breachesQuery,
  clockAtRisk,
  conversationSlaView,
  idParams,
  pageOf,
  recalculateBody,
  recalculatedView,
} from '@parley/contracts'
import { explainClocks, recalculateClocks } from '@parley/core'
import { findConversation, findPolicy, type ListedClock, listAtRisk, listBreaches, listWaits } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import { z } from 'zod'
import { page } from '../paging.ts'
import { refuseUnknownNames, refuseUnless } from '../refuse-unknown.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** What was promised, how long customers wait, and whether the promise is kept. */
export const slaRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, monotonicMs, now } = ctx

  app.get(
    '/conversations/:id/sla',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Leads'],
        summary: 'The waits and clocks of a conversation, and how each came to its due time, in words',
        params: idParams,
        response: { 200: conversationSlaView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = request.params
        await refuseUnseen(trx, request.credential, 'conversation', id)
        if (!(await findConversation(trx, id))) throw new NotFound('conversation')
        const view = { waits: await listWaits(trx, id), clocks: await explainClocks(trx, id, now()) }
        return view as z.output<typeof conversationSlaView>
      }),
  )

  app.get(
    '/sla/at-risk',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List running clocks, the next to fall due first',
        querystring: atRiskQuery,
        response: { 200: pageOf(clockAtRisk) },
      },
    },
    request => {
      const { within_seconds, ...query } = request.query
      const at = now()
      const before = within_seconds === undefined ? undefined : new Date(at.getTime() + within_seconds * 1000)
      return db.readInWorkspace(request.credential.workspace_id, async trx => {
        const filter = { ...filterOf(query), before }
        const position = { schema: byInstant, of: ({ due_at, id }: ListedClock) => ({ at: due_at.toISOString(), id }) }
        const found = await page(cursors, request, position, ({ limit, after }) =>
          listAtRisk(trx, request.credential, filter, at, { limit, after: placeOf(after) }),
        )
        const data = found.data.map(clock => ({
          ...clock,
          left_seconds: (clock.due_at.getTime() - at.getTime()) / 1000,
        }))
        return { ...found, data } as z.output<ReturnType<typeof pageOf<typeof clockAtRisk>>>
      })
    },
  )

  app.get(
    '/sla/breaches',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List promises that were not kept in a period, the latest first, with whose they were then and why',
        querystring: breachesQuery,
        response: { 200: pageOf(breachedClock) },
      },
    },
    request =>
      db.readInWorkspace(request.credential.workspace_id, async trx => {
        const { from, to } = request.query
        const filter = { ...filterOf(request.query), from, to }
        const position = {
          schema: byInstant,
          of: ({ breached_at, id }: ListedClock) => ({ at: breached_at!.toISOString(), id }),
        }
        const found = await page(cursors, request, position, ({ limit, after }) =>
          listBreaches(trx, request.credential, filter, { limit, after: placeOf(after) }),
        )
        const data = found.data.map(clock => ({
          ...clock,
          detection_lag_ms: clock.detected_at!.getTime() - clock.breached_at!.getTime(),
        }))
        return { ...found, data } as z.output<ReturnType<typeof pageOf<typeof breachedClock>>>
      }),
  )

  app.post(
    '/sla/recalculate',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Move open clocks to the policies and calendars as they are now, or count what would be moved',
        body: recalculateBody,
        response: { 200: recalculatedView },
      },
    },
    async ({ body, credential, actor }) => {
      const { policy_id, inbox_id, metric, dry_run } = body
      const scope = { policy_id, inbox_id, metric }
      const { workspace_id } = credential
      const total = { looked_at: 0, changed: 0, breaching: 0 }
      const until = monotonicMs() + RECALCULATE_MS
      let after = body.after ?? null
      await db.inWorkspace(workspace_id, async trx => {
        await refuseUnknownNames(trx, 'inbox', [inbox_id], credential)
        await refuseUnless('policy', policy_id, id => findPolicy(trx, id))
      })
      if (credential.inbox_ids !== null && inbox_id === undefined)
        throw new DomainError('validation_failed', 'inbox_id is needed by whoever does not see every inbox.')
      do {
        const page = { after, limit: RECALCULATE_BATCH, dry_run }
        const part = await db.inWorkspace(workspace_id, trx => recalculateClocks(trx, scope, page, actor, now()))
        for (const count of ['looked_at', 'changed', 'breaching'] as const) total[count] += part[count]
        after = part.after
      } while (after && monotonicMs() < until)
      if (!dry_run) ctx.wakeUps.publish(workspace_id)
      return { dry_run, ...total, complete: after === null, after }
    },
  )
}

/** So many conversations are locked at a time, and so long one call takes; the next one goes on. */
const RECALCULATE_BATCH = 100
const RECALCULATE_MS = 5_000

const byInstant = z.object({ at: z.iso.datetime(), id: z.uuid() })
const placeOf = (after: z.output<typeof byInstant> | undefined) => after && { ...after, at: new Date(after.at) }

const orNobody = (id: string | undefined) => (id === 'none' ? null : id)

function filterOf(query: Omit<z.output<typeof atRiskQuery>, 'within_seconds'>) {
  const { metric, inbox_id, channel_id, policy_id, assignee_id, team_id } = query
  return { metric, inbox_id, channel_id, policy_id, assignee_id: orNobody(assignee_id), team_id: orNobody(team_id) }
}
