import { z } from 'zod'
import type { ConnectorContext, ReceivedEvent } from '../connector.ts'
import { POST_COLLECTION, parsePostUri, postUri } from './at-uri.ts'
import { POSTS_PER_CALL } from './embeds.ts'
import type { BlueskySession } from './session.ts'
import { bodyOf } from './xrpc.ts'

/** A post of the inbox: its author and key, when it was listed, and since when the AppView does not show it. */
export const watchedPost = z.object({
  post: z.string().regex(/^did:[^/]+\/[^/]+$/),
  at: z.int(),
  missing_at: z.int().nullable(),
})
export type WatchedPost = z.infer<typeof watchedPost>

const DAY_MS = 24 * 3_600_000
const WATCH_MS = 7 * DAY_MS
/** They travel in the channel's cursor: fifteen kilobytes. */
const MAX_WATCHED = 200
/** An outage of the AppView's index is over by then, or a second look tells nothing new. */
const CONFIRM_MS = 10 * 60_000
/** Each is a call of its own. */
const MAX_CONFIRMED = 5

/** The newest posts of the last week are looked after: those known, and those just listed. */
export function watch(known: WatchedPost[], listed: { uri: string; at: Date }[], now: Date): WatchedPost[] {
  const posts = new Map(known.map(one => [one.post, one]))
  for (const { uri, at } of listed) {
    const found = parsePostUri(uri)
    const post = found && `${found.did}/${found.rkey}`
    if (post && !posts.has(post)) posts.set(post, { post, at: at.getTime(), missing_at: null })
  }
  const recent = [...posts.values()].filter(({ at }) => at > now.getTime() - WATCH_MS)
  if (recent.length <= MAX_WATCHED) return recent
  // Always the same ones, or those of one moment would come and go with every page that lists them.
  const byAge = recent.toSorted((a, b) => a.at - b.at || (a.post < b.post ? -1 : 1))
  const oldest = new Set(byAge.slice(0, recent.length - MAX_WATCHED))
  return recent.filter(one => !oldest.has(one))
}

const shownPosts = z.looseObject({ posts: z.array(z.looseObject({ uri: z.string() })) })

/**
 * Looks whether the posts that wait longest for it are still there, and puts them at the end. A post is deleted when the
 * AppView has twice not shown it, some minutes apart, and has no record of it either: what is only not shown may
 * be by somebody who blocks us, or is hidden by a label, and comes back.
 * @throws ChannelAuthError, XrpcFailure
 */
export async function lookForDeletions(
  session: BlueskySession,
  watched: WatchedPost[],
  { now }: Pick<ConnectorContext, 'now'>,
): Promise<{ watched: WatchedPost[]; events: ReceivedEvent[] }> {
  const asked = watched.slice(0, POSTS_PER_CALL)
  const uris = asked.map(uriOf)
  const answer = await session.call({ nsid: 'app.bsky.feed.getPosts', params: { uris } })
  const shown = new Set(bodyOf(answer, shownPosts, now()).posts.map(({ uri }) => uri))
  const at = now().getTime()
  const kept: WatchedPost[] = []
  const events: ReceivedEvent[] = []
  let confirmed = 0
  for (const one of asked) {
    const since = one.missing_at
    if (shown.has(uriOf(one))) kept.push({ ...one, missing_at: null })
    else if (since === null) kept.push({ ...one, missing_at: at })
    else if (at - since < CONFIRM_MS || confirmed >= MAX_CONFIRMED) kept.push(one)
    else {
      confirmed += 1
      if (await isGone(session, one)) events.push(deletionOf(session.did, one, now()))
      else kept.push({ ...one, missing_at: at })
    }
  }
  return { watched: [...watched.slice(POSTS_PER_CALL), ...kept], events }
}

/** Records are not hidden from anybody; every other answer proves nothing. */
async function isGone(session: BlueskySession, { post }: WatchedPost): Promise<boolean> {
  const [repo, rkey] = post.split('/') as [string, string]
  const params = { repo, collection: POST_COLLECTION, rkey }
  const answer = await session.call({ nsid: 'com.atproto.repo.getRecord', params })
  return answer.status === 400 && answer.error === 'RecordNotFound'
}

function uriOf({ post }: WatchedPost): string {
  const [did, rkey] = post.split('/') as [string, string]
  return postUri(did, rkey)
}

function deletionOf(our_did: string, post: WatchedPost, now: Date): ReceivedEvent {
  const deleted = { uri: uriOf(post), noticed_at: now.toISOString() }
  return { dedup_key: `${deleted.uri}#deleted`, thread_key: null, payload: { our_did, deleted } }
}
