import { describeTriage } from '@parley/core'
import {
  type ConversationFilter,
  type ConversationPosition,
  type ConversationWithContact,
  conversationPosition,
  type ListedPost,
  listConversations,
  listLastMessages,
  listLastTriage,
  listPostsByIds,
  listReads,
  listRunningClocks,
  listTagsOf,
  type Trx,
} from '@parley/db'
import type { ConversationSort } from '@parley/domain'
import { z } from 'zod'
import { describePost } from './describe-post.ts'
import { withAttachments } from './with-attachments.ts'

export type Include = 'last_message' | 'sla' | 'tags' | 'read' | 'triage' | 'post'

const instant = z.iso
  .datetime()
  .transform(text => new Date(text))
  .nullable()
const position = z.object({ at: instant, since: instant.optional(), id: z.string() })

/** How a list of that sort goes on from page to page. */
export const positionsOf = (sort: ConversationSort) => ({
  schema: position as z.ZodType<ConversationPosition>,
  of: (row: ConversationWithContact) => conversationPosition(row, sort),
})

/** One page, with what `include` asks for. */
export async function readConversations(
  trx: Trx,
  filter: ConversationFilter,
  page: { sort: ConversationSort; limit: number; after?: ConversationPosition | undefined },
  include: Include[],
  user_id: string | null,
) {
  return withIncluded(trx, await listConversations(trx, filter, page), include, user_id)
}

/** Conversations with what `include` asks for: a statement for each of them, however many rows there are. */
export async function withIncluded(
  trx: Trx,
  rows: ConversationWithContact[],
  include: Include[],
  user_id: string | null,
) {
  if (rows.length === 0 || include.length === 0) return rows
  const ids = rows.map(({ id }) => id)
  const wanted = new Set(include)
  const post_ids = [...new Set(rows.flatMap(({ post_id }) => post_id ?? []))]
  const [messages, clocks, tags, reads, triage, posts] = await Promise.all([
    wanted.has('last_message') ? listLastMessages(trx, ids).then(found => withAttachments(trx, found)) : undefined,
    wanted.has('sla') ? listRunningClocks(trx, ids) : undefined,
    wanted.has('tags') ? listTagsOf(trx, ids) : undefined,
    wanted.has('read') && user_id ? listReads(trx, user_id, ids) : undefined,
    wanted.has('triage') ? listLastTriage(trx, ids) : undefined,
    wanted.has('post') ? listPostsByIds(trx, post_ids) : undefined,
  ])
  const of = <T extends { conversation_id: string }>(found: T[], id: string) =>
    found.filter(({ conversation_id }) => conversation_id === id)
  const postOf = (post: ListedPost | undefined) => (post ? describePost(post) : null)
  return rows.map(row => ({
    ...row,
    ...(messages ? { last_message: of(messages, row.id)[0] ?? null } : {}),
    ...(clocks ? { sla: of(clocks, row.id) } : {}),
    ...(tags ? { tags: of(tags, row.id) } : {}),
    ...(triage ? { triage: of(triage, row.id).map(describeTriage)[0] ?? null } : {}),
    ...(posts ? { post: postOf(posts.get(row.post_id ?? '')) } : {}),
    ...(wanted.has('read') ? { read_at: reads?.get(row.id) ?? null } : {}),
  }))
}
