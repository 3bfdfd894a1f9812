import { type Conversation, listPostKeys, type NewEvent, type Trx, type UpsertedPost } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { compareBytes, type ToldPosts } from './read-posts.ts'

/** The post of a thread: of its conversation, where there is one, or of what was just said in it; null for none. */
export type PostOf = (thread_key: string, conversation?: Pick<Conversation, 'post_id'>) => string | null

/**
 * Finds which post each thread of a batch is on. A conversation is on one post: where its messages name several, the one
 * whose network id comes first, whichever was named first. Reads more only where a conversation's own is contradicted.
 * @param upserted the posts that the batch tells of, as they are stored
 * @param conversations those that are there already
 */
export async function placeOnPosts(
  trx: Trx,
  { ofThread }: ToldPosts,
  upserted: UpsertedPost[],
  conversations: Conversation[],
): Promise<PostOf> {
  if (upserted.length === 0) return (_, conversation) => conversation?.post_id ?? null
  const ids = new Map(upserted.map(({ external_id, id }) => [external_id, id]))
  const told = (thread_key: string) => [...(ofThread.get(thread_key) ?? [])]
  const contradicted = conversations.flatMap(({ post_id, thread_key }) =>
    post_id && told(thread_key).some(external_id => ids.get(external_id) !== post_id) ? post_id : [],
  )
  const keys = await listPostKeys(trx, contradicted)
  return (thread_key, conversation) => {
    const before = conversation?.post_id ?? null
    const named = before ? [...told(thread_key), ...[keys.get(before) ?? []].flat()] : told(thread_key)
    const [first] = named.sort(compareBytes)
    return (first && ids.get(first)) ?? before
  }
}

/** What the log says of the posts of a batch. */
export function postEvents(upserted: UpsertedPost[], channel_id: string, now: Date): NewEvent[] {
  return upserted.flatMap(({ id: post_id, kind, change }) =>
    change === 'same'
      ? []
      : [{ type: `post.${change}` as const, at: now, actor: SYSTEM, data: { post_id, channel_id, kind } }],
  )
}
