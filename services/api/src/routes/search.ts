import { contactSearchQuery, foundContactView, foundMessageView, messageSearchQuery, pageOf } from '@parley/contracts'
import { searchMessages } from '@parley/core'
import { searchContacts } from '@parley/db'
import { searchRefused } from '@parley/domain'
import { z } from 'zod'
import { page } from '../paging.ts'
import { searchPage } from '../search-page.ts'
import type { Routes } from '../zod-plugin.ts'

const byScore = z.object({ score: z.int(), id: z.string() })

/** Looking for what was said and for people. Conversations are looked for in their own list. */
export const searchRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/search/messages',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Search'],
        summary: 'Look for messages and notes',
        description:
          '`q` takes words, "phrases", -exclusions, `or`, and from: channel: inbox: status: assignee: has:attachment ' +
          'before: after:. A page may have fewer results than `limit` and not be the last: `next_cursor` tells.',
        querystring: messageSearchQuery,
        response: { 200: pageOf(foundMessageView) },
      },
    },
    request => {
      const { q, inbox_id, from, to, sort } = request.query
      const { workspace_id, user_id, inbox_ids } = request.credential
      const scope = { inbox_ids, user_id, from, to, wanted_inbox_id: inbox_id }
      return db.inWorkspace(workspace_id, trx =>
        searchPage(cursors, request, ({ limit, after }) =>
          searchMessages(trx, q, scope, { sort, limit, after }, now()),
        ),
      )
    },
  )

  app.get(
    '/search/contacts',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Search'],
        summary: 'Look for people by their names and handles, also misspelt ones',
        querystring: contactSearchQuery,
        response: { 200: pageOf(foundContactView) },
      },
    },
    request => {
      const name = request.query.q
      const prefixes = name
        .toLowerCase()
        .split(/[^\p{L}\p{N}\p{M}]+/u)
        .filter(Boolean)
      if (prefixes.length === 0 || prefixes.length > 20) {
        throw searchRefused('A name has at least one letter or digit, and at most 20 words.')
      }
      const position = { schema: byScore, of: ({ score, id }: { score: number; id: string }) => ({ score, id }) }
      return db.inWorkspace(request.credential.workspace_id, trx =>
        page(cursors, request, position, next =>
          searchContacts(trx, { name, prefixes, inbox_ids: request.credential.inbox_ids }, next),
        ),
      )
    },
  )
}
