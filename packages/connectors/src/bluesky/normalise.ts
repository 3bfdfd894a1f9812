import type { ConnectorEvent, ConnectorMessage, ConnectorPost } from '@parley/contracts'
import { cleanCharacters } from '@parley/domain'
import { z } from 'zod'
import { MalformedPayload } from '../errors.ts'
import { given, storable } from '../text/storable.ts'
import { written } from '../text/written.ts'
import { POST_COLLECTION, parsePostUri, postPermalink } from './at-uri.ts'
import { attachmentsOf } from './attachments.ts'
import {
  type PostRecord,
  postNotification,
  quotedUri,
  REASONS,
  type StrongRef,
  storedDeletion,
  storedNotification,
} from './notification.ts'
import { textWithFullLinks } from './rich-text.ts'

/**
 * Describes a notification kept by `poll`. The kind is derived from the post, as a post that mentions, quotes and
 * answers us is notified once, under one reason (mention before quote before reply).
 * @throws MalformedPayload
 */
export function normaliseNotification(payload: unknown, received_at: Date): ConnectorEvent {
  const deletion = storedDeletion.safeParse(payload).data?.deleted
  if (deletion) return { type: 'deletion', external_id: deletion.uri, version_at: deletion.noticed_at }
  const { our_did, notification, embed } = parse(storedNotification, payload)
  if (!REASONS.some(reason => reason === notification.reason))
    return { type: 'ignored', reason: `Notifications of the kind ${notification.reason} are not messages` }
  if (notification.record.$type !== POST_COLLECTION) return { type: 'ignored', reason: 'Not a post' }

  const { uri, cid, author, record } = parse(postNotification, notification)
  const post = parsePostUri(uri)
  if (!post || post.did !== author.did)
    throw new MalformedPayload('notification.uri is not in the repository of its author')
  const root = refOf(record.reply?.root ?? { uri, cid })
  return {
    type: 'message',
    external_id: uri,
    thread_key: root.uri,
    parent_external_id: record.reply ? storable(record.reply.parent.uri) : null,
    kind: kindOf(record, our_did),
    visibility: 'public',
    author: {
      external_id: author.did,
      // The network's placeholder for a handle that does not lead back to the account.
      handle: author.handle === 'handle.invalid' ? null : given(author.handle),
      display_name: given(author.displayName),
      avatar_url: given(author.avatar),
    },
    // Writing out the links also replaces halves of surrogate pairs.
    ...written({ text: textWithFullLinks(record.text, record.facets), marks: cleanCharacters(record.text).marks }),
    subject: null,
    permalink: postPermalink(post),
    occurred_at: occurredAt(record.createdAt, received_at),
    // An edit keeps every time the network tells; only its content hash and our receiving it are new.
    version_at: received_at.toISOString(),
    from_us: author.did === our_did,
    send_token: null,
    reply_context: { ...refOf({ uri, cid }), root },
    ...attachmentsOf(embed, record.embed),
    post: postOf(root.uri, our_did),
  }
}

/** A thread is on the post that it began with. Of one that is not here itself, its address tells who wrote it. */
function postOf(uri: string, our_did: string): ConnectorPost {
  const parts = parsePostUri(uri)
  if (!parts) return { external_id: uri }
  return {
    external_id: uri,
    permalink: postPermalink(parts),
    author: { external_id: parts.did, handle: null, display_name: null },
    from_us: parts.did === our_did,
    // As true at any other time: nothing that every comment on it would have to be compared by.
    version_at: new Date(0).toISOString(),
  }
}

/** References go into our replies as they are: the server keeps whatever other fields it is given. */
function refOf({ uri, cid }: StrongRef): StrongRef {
  return { uri: storable(uri), cid: storable(cid) }
}

function kindOf(record: PostRecord, our_did: string): ConnectorMessage['kind'] {
  const isOurPost = (uri: string | undefined) => uri !== undefined && parsePostUri(uri)?.did === our_did
  if (isOurPost(quotedUri(record))) return 'quote'
  if (isOurPost(record.reply?.parent.uri)) return 'reply'
  if (isOurPost(record.reply?.root.uri)) return 'comment'
  return 'mention'
}

/** `createdAt` is whatever the author's client declared: believed unless it lies in the future or makes no sense. */
function occurredAt(createdAt: unknown, received_at: Date): string {
  const declared = typeof createdAt === 'string' ? Date.parse(createdAt) : Number.NaN
  const believable = declared >= 0 && declared <= received_at.getTime()
  return new Date(believable ? declared : received_at).toISOString()
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new MalformedPayload(z.prettifyError(parsed.error), { cause: parsed.error })
}
