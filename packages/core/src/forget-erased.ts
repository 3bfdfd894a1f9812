import type { ConnectorEvent, ConnectorPost } from '@parley/contracts'
import { type Channel, findErasedIds, scrubClaimedEvents, shareErasureKey, type Trx } from '@parley/db'
import { boundedKey } from './bounded-key.ts'
import { erasedDigest, erasedScope, erasedText } from './erased-ids.ts'
import type { NormalisedEvent } from './read-batch.ts'
import { identityNetwork } from './resolve-contacts.ts'

/**
 * Leaves out what a batch says again of what was erased: messages that were, in whichever version, and whatever an
 * erased account had said by then. Their rows of the ledger are emptied. What others say in a thread that an erased
 * message began stays in its conversation. Costs one look-up in a workspace where nothing was ever erased.
 */
export async function forgetErased(
  trx: Trx,
  channel: Channel,
  batch: NormalisedEvent[],
  now: Date,
): Promise<NormalisedEvent[]> {
  const key = await shareErasureKey(trx)
  if (!key) return batch
  const scope = {
    message: erasedScope.message(channel.id),
    thread: erasedScope.thread(channel.id),
    account: erasedScope.account(identityNetwork(channel)),
  }
  const digest = (kind: keyof typeof scope, id: string) => erasedDigest(key, scope[kind], boundedKey(id))
  const erased = await findErasedIds(trx, [...new Set(batch.flatMap(({ event }) => digestsOf(event, digest)))])
  if (erased.size === 0) return batch

  const isErased = ({ event, received_at }: NormalisedEvent) => {
    if (event.type !== 'message' && event.type !== 'deletion') return false
    if (erased.has(digest('message', event.external_id))) return true
    const author = event.type === 'message' ? erased.get(digest('account', event.author.external_id)) : undefined
    return author !== undefined && received_at <= author
  }
  const forgotten = batch.filter(isErased)
  if (forgotten.length > 0) await scrubClaimedEvents(trx, channel.id, forgotten, key, now)

  const replaced = (kind: keyof typeof scope, id: string) => {
    const hash = digest(kind, id)
    return erased.has(hash) ? erasedText(hash) : id
  }
  // Of a post that was erased, or whose author was, only that something was said on it.
  const postWithout = (post: ConnectorPost): ConnectorPost => {
    const external_id = replaced('message', post.external_id)
    const author = post.author?.external_id
    const gone = external_id !== post.external_id || (author && erased.has(digest('account', author)))
    return gone ? { external_id, ...(post.from_us === undefined ? {} : { from_us: post.from_us }) } : post
  }
  return batch.map(row => {
    const { event } = row
    if (isErased(row)) return { ...row, event: { type: 'ignored', reason: 'erased' } }
    if (event.type !== 'message') return row
    const { thread_key, parent_external_id, thread_hints } = event
    const references = thread_hints?.references.map(id => replaced('message', id)) ?? []
    const post = event.post && postWithout(event.post)
    return {
      ...row,
      event: {
        ...event,
        thread_key: replaced('thread', thread_key),
        parent_external_id: parent_external_id && replaced('message', parent_external_id),
        ...(post ? { post } : {}),
        ...(thread_hints ? { thread_hints: { ...thread_hints, references } } : {}),
      },
    }
  })
}

function digestsOf(event: ConnectorEvent, digest: (kind: 'message' | 'thread' | 'account', id: string) => string) {
  if (event.type === 'deletion') return [digest('message', event.external_id)]
  if (event.type !== 'message') return []
  const others = [event.parent_external_id ?? [], event.thread_hints?.references ?? []].flat()
  const { post } = event
  const posts = post ? [digest('message', post.external_id)] : []
  const authors = post?.author?.external_id ? [digest('account', post.author.external_id)] : []
  return [
    ...posts,
    ...authors,
    ...[event.external_id, ...others].map(id => digest('message', id)),
    digest('thread', event.thread_key),
    digest('account', event.author.external_id),
  ]
}
