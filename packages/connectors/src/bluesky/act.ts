import { z } from 'zod'
import type { ActionOutcome, ConnectedChannel, ConnectorContext, OutgoingAction } from '../connector.ts'
import { ChannelAuthError, SendRefused } from '../errors.ts'
import { timeOfId } from '../time-of-id.ts'
import { LIKE_COLLECTION, POST_COLLECTION, parsePostUri, parseUri } from './at-uri.ts'
import { XrpcFailure } from './errors.ts'
import { acceptedAt, refusalOf, rejected, retry, unknown } from './outcomes.ts'
import { recordKey } from './record-key.ts'
import { type BlueskySession, openSession } from './session.ts'
import { bodyOf, type XrpcAnswer, type XrpcCall } from './xrpc.ts'

const PUT_RECORD = 'com.atproto.repo.putRecord'
const DELETE_RECORD = 'com.atproto.repo.deleteRecord'

/** The write that an action comes to; null when the network is as it should be already. */
type Write = XrpcCall | null

/**
 * Likes, takes a like back, deletes a post of our own. Each of them twice is as once: a like has its key from the action,
 * and deleting what is gone changes nothing. There is no `edit`: the network's own app has none, and answers refer to
 * the version they were written to.
 */
export async function act(
  channel: ConnectedChannel,
  action: OutgoingAction,
  context: ConnectorContext,
): Promise<ActionOutcome> {
  try {
    const session = await openSession(channel, context)
    const write = await writeOf(session, action, context.now())
    const started_at = context.now()
    if (!write) return { outcome: 'sent', accepted_at: started_at }
    context.assertInTime()
    const answer = await session.call(write)
    if (answer.ok || (await isLikedUnderKey(session, write, answer))) {
      return { outcome: 'sent', accepted_at: acceptedAt(answer, started_at, context.now()) }
    }
    return refusalOf(answer, context)
  } catch (error) {
    if (error instanceof SendRefused) return rejected(error.message)
    if (error instanceof ChannelAuthError) return retry(error.message, null, context)
    if (!(error instanceof XrpcFailure)) throw error
    const written = error.nsid === PUT_RECORD || error.nsid === DELETE_RECORD
    return written ? unknown(error.message) : retry(error.message, error.retry_at, context)
  }
}

async function writeOf(session: BlueskySession, action: OutgoingAction, now: Date): Promise<Write> {
  switch (action.verb) {
    case 'like':
      return likeOf(session, action, now)
    case 'unlike':
      return unlikeOf(session, action, now)
    case 'delete':
      return deletionOf(session, action)
    case 'edit':
      throw new SendRefused('A post on Bluesky cannot be edited: delete it and write a new one')
    case 'hide':
    case 'unhide':
      throw new SendRefused('Posts of others cannot be hidden on Bluesky from here')
    default:
      return action.verb satisfies never
  }
}

const likedPosts = z.looseObject({
  posts: z.array(
    z.looseObject({
      uri: z.string(),
      cid: z.string().min(1),
      viewer: z.looseObject({ like: z.string().optional() }).optional(),
    }),
  ),
})

async function findPost(session: BlueskySession, uri: string, now: Date) {
  const answer = await session.call({ nsid: 'app.bsky.feed.getPosts', params: { uris: [uri] } })
  return bodyOf(answer, likedPosts, now).posts.find(post => post.uri === uri)
}

/** The same action is the same record, to the byte: its time is that of its id. */
async function likeOf(session: BlueskySession, { action_id, target }: OutgoingAction, now: Date): Promise<Write> {
  const post = await findPost(session, target.external_id, now)
  if (!post) throw new SendRefused('The post is deleted or not available any more')
  if (post.viewer?.like) return null
  const record = {
    $type: LIKE_COLLECTION,
    subject: { uri: post.uri, cid: post.cid },
    createdAt: timeOfId(action_id).toISOString(),
  }
  const key = { repo: session.did, collection: LIKE_COLLECTION, rkey: recordKey(action_id), swapRecord: null }
  return { nsid: PUT_RECORD, input: { ...key, record } }
}

async function unlikeOf(session: BlueskySession, { target }: OutgoingAction, now: Date): Promise<Write> {
  const post = await findPost(session, target.external_id, now)
  const like = post?.viewer?.like ?? (await findRecentLike(session, target.external_id, now))
  const found = like ? parseUri(like, LIKE_COLLECTION) : undefined
  if (found?.did !== session.did) return null
  return { nsid: DELETE_RECORD, input: { repo: session.did, collection: LIKE_COLLECTION, rkey: found.rkey } }
}

const recordsBody = z.looseObject({
  records: z.array(
    z.looseObject({ uri: z.string(), value: z.looseObject({ subject: z.looseObject({ uri: z.string() }) }) }),
  ),
})

/** Among the newest hundred on our own server, which knows of a like before the AppView does. */
async function findRecentLike(session: BlueskySession, uri: string, now: Date): Promise<string | undefined> {
  const params = { repo: session.did, collection: LIKE_COLLECTION, limit: 100 }
  const answer = await session.call({ nsid: 'com.atproto.repo.listRecords', params })
  return bodyOf(answer, recordsBody, now).records.find(({ value }) => value.subject.uri === uri)?.uri
}

function deletionOf(session: BlueskySession, { target }: OutgoingAction): Write {
  const post = parsePostUri(target.external_id)
  if (post?.did !== session.did) throw new SendRefused('Only posts of this account can be deleted')
  return { nsid: DELETE_RECORD, input: { repo: session.did, collection: POST_COLLECTION, rkey: post.rkey } }
}

const storedLike = z.looseObject({ value: z.looseObject({ subject: z.looseObject({ uri: z.string() }) }) })

/** The post was edited since an earlier attempt: the like that is there names the version before. */
async function isLikedUnderKey(session: BlueskySession, write: XrpcCall, answer: XrpcAnswer): Promise<boolean> {
  if (answer.error !== 'InvalidSwap') return false
  const { repo, collection, rkey, record } = write.input as Record<string, string> & {
    record: { subject: { uri: string } }
  }
  const params = { repo: repo!, collection: collection!, rkey: rkey! }
  const stored = await session.call({ nsid: 'com.atproto.repo.getRecord', params })
  return storedLike.safeParse(stored.body).data?.value.subject.uri === record.subject.uri
}
