import { z } from 'zod'
import type { ConnectorContext, ReceivedEvent } from '../connector.ts'
import { parsePostUri, postUri } from './at-uri.ts'
import { eventOf } from './notifications.ts'
import type { BlueskySession } from './session.ts'
import { bodyOf } from './xrpc.ts'

/** A thread that a post of ours began, by that post's key, and when it was read last. */
export const ourThread = z.object({ rkey: z.string().min(1), read_at: z.int().nullable() })
export type OurThread = z.infer<typeof ourThread>

const DAY_MS = 24 * 3_600_000
const FOLLOW_MS = 7 * DAY_MS
const MAX_THREADS = 30
/** Replies deeper than this are further from us than anybody reads. The most the AppView takes is 1000. */
const MAX_DEPTH = 100

const feedBody = z.looseObject({
  feed: z.array(
    z.looseObject({
      post: z.looseObject({
        uri: z.string(),
        author: z.looseObject({ did: z.string() }),
        record: z.looseObject({ reply: z.unknown().optional() }),
        indexedAt: z.iso.datetime({ offset: true }),
      }),
    }),
  ),
})

/**
 * The threads we began in the last week; what is known of them is kept.
 * @throws ChannelAuthError, XrpcFailure
 */
export async function findOurThreads(
  session: BlueskySession,
  known: OurThread[],
  { now }: Pick<ConnectorContext, 'now'>,
): Promise<OurThread[]> {
  const params = { actor: session.did, filter: 'posts_no_replies', limit: MAX_THREADS }
  const answer = await session.call({ nsid: 'app.bsky.feed.getAuthorFeed', params })
  const reads = new Map(known.map(({ rkey, read_at }) => [rkey, read_at]))
  const { feed } = bodyOf(answer, feedBody, now())
  return feed.flatMap(({ post }) => {
    const ours = post.author.did === session.did && post.record.reply === undefined
    const recent = Date.parse(post.indexedAt) > now().getTime() - FOLLOW_MS
    const rkey = ours && recent && parsePostUri(post.uri)?.rkey
    return rkey ? [{ rkey, read_at: reads.get(rkey) ?? null }] : []
  })
}

const threadBody = z.looseObject({ thread: z.unknown() })
const node = z.looseObject({
  post: z.looseObject({
    uri: z.string(),
    author: z.looseObject({ did: z.string() }),
    embed: z.unknown().optional(),
  }),
  replies: z.array(z.unknown()).optional(),
})

/**
 * Every reply in a thread of ours, as an event. The account is not notified of those more than four levels below a
 * post of its own, nor of all that were indexed before their parent; those it was notified of are known by their keys.
 * Our own answers to others come along: somebody may have written them in the network's app. Undefined when the thread
 * is gone.
 * @throws ChannelAuthError, XrpcFailure
 */
export async function readThread(
  session: BlueskySession,
  { rkey }: OurThread,
  { now }: Pick<ConnectorContext, 'now'>,
): Promise<ReceivedEvent[] | undefined> {
  const params = { uri: postUri(session.did, rkey), depth: MAX_DEPTH, parentHeight: 0 }
  const answer = await session.call({ nsid: 'app.bsky.feed.getPostThread', params })
  if (answer.status === 400 && answer.error === 'NotFound') return undefined
  const events: ReceivedEvent[] = []
  // Not by recursion: how deep it is, others decide.
  const open = [{ value: bodyOf(answer, threadBody, now()).thread, parent: null as string | null }]
  for (let next = open.pop(); next; next = open.pop()) {
    const found = node.safeParse(next.value).data
    // Deleted posts and those of people who block us.
    if (!found) continue
    const { post, replies = [] } = found
    const author = post.author.did
    const isReply = next.parent !== null
    const answersOurselves = author === session.did && next.parent === session.did
    if (isReply && !answersOurselves) events.push(eventOfPost(post, session.did))
    for (const value of replies) open.push({ value, parent: author })
  }
  return events
}

/** As the notification of it would have been. */
function eventOfPost({ embed, ...post }: z.infer<typeof node>['post'], our_did: string): ReceivedEvent {
  const { uri, cid, author, record, indexedAt } = post as Record<string, unknown>
  const notification = { uri, cid, author, record, indexedAt, reason: 'reply' }
  return eventOf(notification, our_did, new Map(embed && showsMedia(embed) ? [[post.uri, embed]] : []))
}

const quote = z.looseObject({ $type: z.literal('app.bsky.embed.record#view') })
const showsMedia = (embed: unknown) => !quote.safeParse(embed).success
