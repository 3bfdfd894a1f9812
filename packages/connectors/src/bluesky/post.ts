import { z } from 'zod'
import { POST_COLLECTION, postPermalink, postUri } from './at-uri.ts'
import type { BlueskySession } from './session.ts'
import { describe } from './xrpc.ts'

const strongRef = z.strictObject({ uri: z.string(), cid: z.string() })

/** A file that the account's server keeps, as records refer to it. */
export const blobRef = z.object({
  $type: z.literal('blob'),
  ref: z.object({ $link: z.string().min(1) }),
  mimeType: z.string(),
  size: z.int().min(0),
})

export const imagesEmbed = z.strictObject({
  $type: z.literal('app.bsky.embed.images'),
  images: z.array(z.strictObject({ image: blobRef, alt: z.string() })),
})

/**
 * The body of `com.atproto.repo.putRecord`, frozen. Repeating the same bytes under the same key is one post, and
 * `swapRecord: null` keeps it from overwriting any other post.
 */
export const preparedPost = z.strictObject({
  repo: z.string().startsWith('did:'),
  collection: z.literal(POST_COLLECTION),
  rkey: z.string().length(13),
  swapRecord: z.null(),
  record: z.strictObject({
    $type: z.literal(POST_COLLECTION),
    text: z.string(),
    createdAt: z.iso.datetime(),
    facets: z.array(z.record(z.string(), z.unknown())).optional(),
    embed: imagesEmbed.optional(),
    reply: z.strictObject({ root: strongRef, parent: strongRef }),
  }),
})
export type PreparedPost = z.infer<typeof preparedPost>

/** A post that the network has under our key: `ours` when it says what we wrote in answer to the same post. */
export type StoredPost =
  | { found: 'ours'; cid: string | null }
  | { found: 'other' }
  | { found: 'none' }
  | { found: 'unknown'; reason: string }

const storedRecord = z.looseObject({
  cid: z.string().min(1).optional(),
  value: z.looseObject({
    text: z.string(),
    reply: z.looseObject({ parent: z.looseObject({ uri: z.string() }) }).optional(),
  }),
})

/** Asks the account's own server, which knows at once; the AppView may lag behind. Never throws. */
export async function findStoredPost(session: BlueskySession, post: PreparedPost): Promise<StoredPost> {
  const { repo, collection, rkey, record } = post
  const call = { nsid: 'com.atproto.repo.getRecord', params: { repo, collection, rkey } }
  const answer = await session.call(call).catch((error: Error) => error)
  if (answer instanceof Error) return { found: 'unknown', reason: answer.message }
  if (answer.status === 400 && answer.error === 'RecordNotFound') return { found: 'none' }
  const stored = storedRecord.safeParse(answer.body)
  if (!answer.ok || !stored.success) return { found: 'unknown', reason: `${call.nsid}: ${describe(answer)}` }
  const { cid = null, value } = stored.data
  const ours = value.text === record.text && value.reply?.parent.uri === record.reply.parent.uri
  return ours ? { found: 'ours', cid } : { found: 'other' }
}

const postsBody = z.looseObject({
  posts: z.array(z.looseObject({ uri: z.string(), indexedAt: z.iso.datetime({ offset: true }) })),
})

/**
 * A post accepted by an earlier call, whose answer was lost. The time of acceptance is told by nobody: the AppView's
 * index time comes closest, and where it has none, the time the reply was frozen is the earliest it can be.
 */
export async function sentEarlier(session: BlueskySession, post: PreparedPost, cid: string | null) {
  const uri = postUri(post.repo, post.rkey)
  const answer = await session.call({ nsid: 'app.bsky.feed.getPosts', params: { uris: [uri] } }).catch(() => null)
  const seen = postsBody.safeParse(answer?.body).data?.posts.find(found => found.uri === uri)
  const frozen_at = Date.parse(post.record.createdAt)
  return sentOutcome(post, cid, new Date(Math.max(seen ? Date.parse(seen.indexedAt) : frozen_at, frozen_at)))
}

/**
 * The post as the worker keeps it: the key was ours from the start, so the uri is known without any answer. Whoever
 * answers it, as the next part of a long reply does, refers to it with its hash and to the same root.
 */
export function sentOutcome({ repo: did, rkey, record }: PreparedPost, cid: string | null, accepted_at: Date) {
  const uri = postUri(did, rkey)
  const reply_context = cid === null ? null : { uri, cid, root: record.reply.root }
  const permalink = postPermalink({ did, rkey })
  return { outcome: 'sent' as const, external_id: uri, accepted_at, permalink, reply_context }
}
