import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, OutgoingReply } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { POST_COLLECTION, parsePostUri } from './at-uri.ts'
import { checkImages, uploadImages } from './images.ts'
import type { PreparedPost } from './post.ts'
import { recordKey } from './record-key.ts'
import { findFacets, MAX_BYTES, MAX_GRAPHEMES, measure } from './rich-text.ts'
import { type BlueskySession, openSession } from './session.ts'
import { bodyOf, failureOf } from './xrpc.ts'

const ref = z.object({ uri: z.string().min(1), cid: z.string().min(1) })
const replyContext = z.object({ ...ref.shape, root: ref })

/**
 * Freezes a reply: text, facets, images, references, time and record key. The server stores replies that nobody will
 * see (to deleted posts, past a block, against a thread's rules), so those are refused here.
 * @throws SendRefused for the agent, ChannelAuthError, XrpcFailure when it cannot be checked now
 */
export async function prepare(
  channel: ConnectedChannel,
  reply: OutgoingReply,
  context: ConnectorContext,
): Promise<PreparedPost> {
  checkText(reply)
  checkImages(reply.attachments)
  const { root, ...parent } = contextOf(reply)
  const session = await openSession(channel, context)
  await checkAnswerable(session, parent.uri, context.now())
  const facets = await findFacets(reply.text, handle => resolveHandle(session, handle))
  const embed = await uploadImages(session, reply.attachments, context.now)
  return {
    repo: session.did,
    collection: POST_COLLECTION,
    rkey: recordKey(reply.message_id),
    swapRecord: null,
    record: {
      $type: POST_COLLECTION,
      text: reply.text,
      createdAt: context.now().toISOString(),
      ...(facets.length > 0 ? { facets: facets.map(facet => ({ ...facet })) } : {}),
      ...(embed ? { embed } : {}),
      reply: { root, parent },
    },
  }
}

function checkText({ text, visibility, attachments }: OutgoingReply): void {
  if (visibility !== 'public') throw new SendRefused('Replies on Bluesky are public')
  if (text.trim() === '' && attachments.length === 0) throw new SendRefused('The reply is empty')
  const { graphemes, bytes } = measure(text)
  if (graphemes > MAX_GRAPHEMES)
    throw new SendRefused(`The reply has ${graphemes} characters, Bluesky allows ${MAX_GRAPHEMES}`)
  if (bytes > MAX_BYTES) throw new SendRefused(`The reply has ${bytes} bytes, Bluesky allows ${MAX_BYTES}`)
}

/** Parsing drops whatever else the context holds: the server would keep it in the public record. */
function contextOf({ in_reply_to }: OutgoingReply): z.infer<typeof replyContext> {
  const context = replyContext.safeParse(in_reply_to?.reply_context)
  if (!context.success) throw new SendRefused('There is no post to answer: a reply on Bluesky answers one post')
  return context.data
}

const postsBody = z.looseObject({
  posts: z.array(z.looseObject({ viewer: z.looseObject({ replyDisabled: z.boolean().optional() }).optional() })),
})

/** Deleted posts, and those of people who block us or whom we block, are missing from the answer without a word. */
async function checkAnswerable(session: BlueskySession, uri: string, now: Date): Promise<void> {
  const answer = await session.call({ nsid: 'app.bsky.feed.getPosts', params: { uris: [uri] } })
  const [post] = bodyOf(answer, postsBody, now).posts
  if (!post && (await isOurOwn(session, uri, now))) return
  if (!post) throw new SendRefused(await whyMissing(session, uri, now))
  if (post.viewer?.replyDisabled) throw new SendRefused('Its author has limited who may reply in this thread')
}

/** Whether it is a post of ours that is still there: the AppView learns of it seconds after our own server took it. */
async function isOurOwn(session: BlueskySession, uri: string, now: Date): Promise<boolean> {
  const post = parsePostUri(uri)
  if (post?.did !== session.did) return false
  const params = { repo: post.did, collection: POST_COLLECTION, rkey: post.rkey }
  const answer = await session.call({ nsid: 'com.atproto.repo.getRecord', params })
  if (answer.ok) return true
  if (answer.status === 400) return false
  throw failureOf(answer, now)
}

const profileBody = z.looseObject({
  viewer: z.looseObject({ blockedBy: z.boolean().optional(), blocking: z.string().optional() }).optional(),
})

async function whyMissing(session: BlueskySession, uri: string, now: Date): Promise<string> {
  const actor = parsePostUri(uri)?.did ?? uri
  const answer = await session.call({ nsid: 'app.bsky.actor.getProfile', params: { actor } })
  if (answer.status === 400) return 'The account this reply is for is not available any more'
  if (!answer.ok) throw failureOf(answer, now)
  const { viewer } = bodyOf(answer, profileBody, now)
  if (viewer?.blockedBy) return 'Its author has blocked this account: nobody would see the reply'
  if (viewer?.blocking) return 'This account has blocked the author: nobody would see the reply'
  return 'The post this reply answers is deleted or not available any more'
}

const resolvedBody = z.looseObject({ did: z.string().startsWith('did:') })

/** As in the official app, a handle that cannot be resolved just now is no reason not to post. */
async function resolveHandle(session: BlueskySession, handle: string): Promise<string | null> {
  const answer = await session.call({ nsid: 'com.atproto.identity.resolveHandle', params: { handle } })
  return (answer.ok && resolvedBody.safeParse(answer.body).data?.did) || null
}
