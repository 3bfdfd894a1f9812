import { blankPost, insertErasedIds, listPostsAround, redactPost } from '@parley/db'
import { boundedKey } from '../bounded-key.ts'
import { erasedDigest, erasedScope, erasedText, isErasedText } from '../erased-ids.ts'
import { identityNetwork } from '../resolve-contacts.ts'
import { FIRST_ID, type StepWork } from './steps.ts'
import { ERASED, type Wanted } from './traces.ts'

const BATCH = 200

/**
 * Erases the posts that they wrote: their words, their name, the network's id. Of posts by others on which they said
 * something, only their name goes.
 */
export const erasePosts: StepWork = async (trx, { erasure, everybody, traces, accounts, key, now }) => {
  const after = (erasure.position as { id: string } | null)?.id ?? FIRST_ID
  const { ids } = erasure.looking_for as Wanted
  const posts = await listPostsAround(trx, everybody, ids.map(boundedKey), after, BATCH)
  let erased = 0
  for (const { id, channel_id, kind, external_id, author_external_id, text, author_handle, author_name } of posts) {
    const network = identityNetwork({ id: channel_id, kind })
    const account = author_external_id && erasedDigest(key, erasedScope.account(network), author_external_id)
    const names = [author_handle, author_name]
    if (isErasedText(external_id) || (account && accounts.has(account))) {
      const digest = erasedDigest(key, erasedScope.message(channel_id), external_id)
      if (!isErasedText(external_id)) await insertErasedIds(trx, [digest], now)
      await blankPost(trx, id, isErasedText(external_id) ? external_id : erasedText(digest))
      erased += 1
    } else if ([text, ...names].some(one => one && traces.isIn(one))) {
      const named = names.map(one => (one && traces.isIn(one) ? ERASED : one))
      await redactPost(trx, id, {
        text: text && traces.removedFrom(text),
        author_handle: named[0]!,
        author_name: named[1]!,
      })
      erased += 1
    }
  }
  const last = posts.at(-1)
  return { position: posts.length === BATCH && last ? { id: last.id } : null, counts: { posts: erased } }
}
