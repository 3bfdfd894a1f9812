import { notificationPage, notificationQuery, notificationsRead, notificationsReadBody } from '@parley/contracts'
import { readNotifications } from '@parley/core'
import { countUnread, listNotifications, type Notification } from '@parley/db'
import { z } from 'zod'
import { page } from '../paging.ts'
import { personOf } from '../person.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** What the caller was told. A worker writes it, behind the log. */
export const notificationRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx
  const byId = { schema: z.string(), of: ({ id }: Notification) => id }

  app.get(
    '/me/notifications',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'List what you were told, the newest first',
        description: 'Of conversations that you see. A key that acts as no person is told nothing.',
        querystring: notificationQuery,
        response: { 200: notificationPage },
      },
    },
    async request => {
      const { workspace_id, inbox_ids } = request.credential
      const reader = { user_id: personOf(request.credential), inbox_ids }
      const unread = request.query.unread === 'true'
      return db.inWorkspace(workspace_id, async trx => {
        const found = await page(cursors, request, byId, next => listNotifications(trx, reader, { unread, ...next }))
        const data = found.data.map(row => ({ ...row, actor: { type: row.actor_type, id: row.actor_id } }))
        const answer = { ...found, data, unread: await countUnread(trx, reader) }
        return answer as z.output<typeof notificationPage>
      })
    },
  )

  app.post(
    '/me/notifications/read',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Mark notifications as read: some, or all up to one',
        body: notificationsReadBody,
        response: { 200: notificationsRead },
      },
    },
    async (request, reply) => {
      const user_id = personOf(request.credential)
      const { ids, up_to } = request.body
      const which = ids ? { ids } : { up_to: up_to! }
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await readNotifications(trx, user_id, which, request.actor, now())
        return { unread: await countUnread(trx, { user_id, inbox_ids: request.credential.inbox_ids }) }
      })
      return reply
    },
  )
}
