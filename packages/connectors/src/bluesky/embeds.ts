import { z } from 'zod'
import type { BlueskySession } from './session.ts'
import { bodyOf, failureOf } from './xrpc.ts'

/** The most that getPosts takes. */
export const POSTS_PER_CALL = 25

/** Kinds of embed that show something besides a quoted post, which is a thread of its own. */
const SHOWS_MEDIA = /^app\.bsky\.embed\.(images|gallery|video|external|recordWithMedia)$/

const showing = z.looseObject({
  uri: z.string(),
  record: z.looseObject({ embed: z.looseObject({ $type: z.string().regex(SHOWS_MEDIA) }) }),
})

const postsBody = z.looseObject({
  posts: z.array(z.looseObject({ uri: z.string(), embed: z.unknown().optional() })),
})

/**
 * What posts show besides their text, by uri. Their records hold only hashes; the addresses of pictures are in the
 * AppView's description of the post. A post that is gone by now is not in it.
 * @throws ChannelAuthError, XrpcFailure: the page is read again, as later nobody asks for its pictures any more
 */
export async function readEmbeds(
  session: BlueskySession,
  notifications: unknown[],
  now: () => Date,
): Promise<Map<string, unknown>> {
  const uris = [...new Set(notifications.flatMap(item => showing.safeParse(item).data?.uri ?? []))]
  const embeds = new Map<string, unknown>()
  for (let from = 0; from < uris.length; from += POSTS_PER_CALL) {
    const params = { uris: uris.slice(from, from + POSTS_PER_CALL) }
    const answer = await session.call({ nsid: 'app.bsky.feed.getPosts', params })
    // One uri that the AppView does not take must not keep back what the others said.
    if (answer.status === 400 && answer.error) continue
    if (!answer.ok) throw failureOf(answer, now())
    for (const { uri, embed } of bodyOf(answer, postsBody, now()).posts) if (embed) embeds.set(uri, embed)
  }
  return embeds
}
