import type { ConnectorAttachment, ConnectorEvent, ConnectorPost } from '@parley/contracts'
import type { z } from 'zod'
import { MalformedPayload } from '../errors.ts'
import { given, storable } from '../text/storable.ts'
import { written } from '../text/written.ts'
import { anyEvent, KNOWN_TYPES, knownEvent, type MessageEvent } from './schemas.ts'
import { threadKey } from './thread-key.ts'

/** Clocks differ by this much; what lies further ahead of us cannot be true. */
const MAX_AHEAD_MS = 10 * 60_000

/** Describes a stored event; its shape was checked when it came in. */
export function normalise(payload: unknown, received_at: Date): ConnectorEvent {
  const { type } = parsed(anyEvent.safeParse(payload))
  if (!KNOWN_TYPES.has(type)) return { type: 'ignored', reason: 'unknown_type' }
  const event = parsed(knownEvent.safeParse(payload))
  if (event.type !== 'message.deleted') return normaliseMessage(event, received_at)
  const version_at = event.data.deleted_at ?? event.timestamp
  return {
    type: 'deletion',
    external_id: storable(event.data.external_id),
    version_at: believable(version_at, received_at) ?? received_at.toISOString(),
  }
}

function normaliseMessage({ type, timestamp, data }: MessageEvent, received_at: Date): ConnectorEvent {
  const occurred_at = believable(data.created_at, received_at)!
  return {
    type: 'message',
    external_id: storable(data.external_id),
    thread_key: threadKey(data),
    parent_external_id: data.parent_id ? storable(data.parent_id) : null,
    kind: data.kind,
    visibility: data.visibility,
    author: {
      // Without an author nobody can tell two messages' writers apart, so each is somebody of their own.
      external_id: storable(data.author?.platform_id ?? `anonymous:${data.external_id}`),
      handle: given(data.author?.handle),
      display_name: given(data.author?.name),
      avatar_url: given(data.author?.avatar_url),
    },
    ...written(data),
    subject: given(data.subject?.title),
    permalink: given(data.permalink),
    occurred_at,
    // An update that does not say when it happened is newer than what we have: it came later.
    version_at:
      believable(data.edited_at ?? timestamp, received_at) ??
      (type === 'message.updated' ? received_at.toISOString() : occurred_at),
    from_us: data.from_us === true || Boolean(data.reply_id),
    send_token: data.reply_id ?? null,
    reply_context: data.reply?.context ? { context: storable(data.reply.context) } : null,
    ...(data.attachments?.length ? { attachments: data.attachments.map(describeAttachment) } : {}),
    ...(data.reply_until ? { reply_until: new Date(data.reply_until).toISOString() } : {}),
    ...(data.post ? { post: describePost(data.post, received_at) } : {}),
  }
}

function describePost(post: NonNullable<MessageEvent['data']['post']>, received_at: Date): ConnectorPost {
  const { external_id, author, from_us, created_at, edited_at } = post
  const [text, permalink] = [given(post.text), given(post.permalink)]
  const occurred_at = believable(created_at, received_at)
  const version_at = believable(edited_at, received_at) ?? occurred_at
  return {
    external_id: storable(external_id),
    ...(text ? { text } : {}),
    ...(permalink ? { permalink } : {}),
    ...(author ? { author: describeAuthor(author) } : {}),
    ...(typeof from_us === 'boolean' ? { from_us } : {}),
    ...(occurred_at ? { occurred_at } : {}),
    ...(version_at ? { version_at } : {}),
  }
}

const describeAuthor = ({ platform_id, handle, name }: GivenPostAuthor) => ({
  external_id: given(platform_id),
  handle: given(handle),
  display_name: given(name),
})
type GivenPostAuthor = NonNullable<NonNullable<MessageEvent['data']['post']>['author']>

type GivenAttachment = NonNullable<MessageEvent['data']['attachments']>[number]

function describeAttachment(file: GivenAttachment, position: number): ConnectorAttachment {
  const { url, id, media_type, filename, alt_text, byte_size, inline } = file
  return {
    // Its place tells one from the others where what should is nothing that can be stored.
    external_id: given(id) ?? given(url) ?? String(position),
    url: given(url),
    blob_key: null,
    media_type: given(media_type),
    filename: given(filename),
    alt_text: given(alt_text),
    byte_size: byte_size ?? null,
    inline: inline ?? false,
  }
}

function parsed<T>(result: z.ZodSafeParseResult<T>): T {
  if (result.success) return result.data
  throw new MalformedPayload(result.error.issues[0]!.message)
}

/**
 * In UTC. A stamp from the far future becomes the time of receipt: as a version it would shut out every later edit.
 */
function believable(instant: string | null | undefined, received_at: Date): string | undefined {
  if (!instant) return undefined
  const at = new Date(instant)
  return (at.getTime() > received_at.getTime() + MAX_AHEAD_MS ? received_at : at).toISOString()
}
