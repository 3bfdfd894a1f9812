import type { ConnectorAttachment, ConnectorEvent, ConnectorMessage } from '@parley/contracts'
import { z } from 'zod'
import { MalformedPayload } from '../errors.ts'
import { given, storable } from '../text/storable.ts'
import { type AccountEntity, type MediaEntity, type StatusEntity, statusEntity } from './entities.ts'
import type { ReplyContext } from './reply-context.ts'
import { type StoredPayload, storedDeletion, storedPayload } from './stored.ts'
import { textOf } from './text.ts'
import { visibilityOf } from './visibility.ts'

/** Clocks differ by this much; what lies further ahead of us cannot be true. */
const MAX_AHEAD_MS = 10 * 60_000

/**
 * Describes a status kept by `poll`, or that it is gone.
 * @throws MalformedPayload
 */
export function normalise(payload: unknown, received_at: Date): ConnectorEvent {
  const deletion = storedDeletion.safeParse(payload)
  if (deletion.success) {
    const { deleted_id, noticed_at } = deletion.data
    return { type: 'deletion', external_id: storable(deleted_id), version_at: noticed_at }
  }
  const stored = parse(storedPayload, payload)
  if (stored.status === null || stored.status === undefined)
    return { type: 'ignored', reason: 'The post was gone when it was listed' }
  return normaliseStatus(stored, parse(statusEntity, stored.status), received_at)
}

function normaliseStatus(stored: StoredPayload, status: StatusEntity, received_at: Date): ConnectorMessage {
  const { our_id, host, thread } = stored
  const occurred_at = believable(status.created_at, received_at) ?? received_at.toISOString()
  const attachments = status.media_attachments.map(attachmentOf)
  const kind = kindOf(stored, status)
  return {
    type: 'message',
    external_id: storable(status.id),
    thread_key: storable(thread?.root ?? status.id),
    parent_external_id: given(status.in_reply_to_id),
    kind,
    visibility: visibilityOf(status.visibility),
    author: authorOf(status.account, host),
    ...textOf(status),
    subject: given(status.spoiler_text),
    permalink: webAddress(status.url) ?? webAddress(status.uri),
    occurred_at,
    // Clocks of two servers: an edit is never older than what it edits.
    version_at: latest(believable(status.edited_at, received_at), occurred_at),
    from_us: status.account.id === our_id,
    send_token: null,
    reply_context: contextOf(status, our_id),
    ...(attachments.length > 0 ? { attachments } : {}),
    ...(status.account.bot ? { automatic: true } : {}),
    // What was said to a few is on no post.
    ...(thread && kind !== 'direct'
      ? { post: { external_id: storable(thread.root), from_us: thread.root_is_ours } }
      : {}),
  }
}

function kindOf({ our_id, type, thread }: StoredPayload, status: StatusEntity): ConnectorMessage['kind'] {
  if (visibilityOf(status.visibility) === 'private') return 'direct'
  if (type === 'quote' || status.quote?.quoted_status?.account.id === our_id) return 'quote'
  const isReply = thread?.parent_is_ours || thread?.root_is_ours || status.in_reply_to_account_id === our_id
  return isReply ? 'reply' : 'mention'
}

/**
 * By the address that names the account on every server: its id is this server's own, and two of our channels on two
 * servers meet the same person.
 */
function authorOf({ id, uri, url, acct, username, ...account }: AccountEntity, host: string | null) {
  const handle = acct ?? username ?? null
  const here = handle && !handle.includes('@') && host ? `${handle}@${host}` : handle
  return {
    external_id: given(uri) ?? given(url) ?? storable(`${id}@${host ?? ''}`),
    handle: here ? given(`@${here}`) : null,
    display_name: given(account.display_name) ?? given(username),
    avatar_url: webAddress(account.avatar_static) ?? webAddress(account.avatar),
  }
}

function contextOf({ id, account, mentions, spoiler_text }: StatusEntity, our_id: string): ReplyContext {
  const named = [...(account.acct ? [{ id: account.id, acct: account.acct }] : []), ...mentions]
  const others = named.filter(mention => mention.id !== our_id).map(({ acct }) => storable(acct))
  return { id: storable(id), mentions: [...new Set(others)], spoiler_text: given(spoiler_text) ?? '' }
}

const MEDIA_TYPES: Record<string, string> = {
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  mp4: 'video/mp4',
  webm: 'video/webm',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  wav: 'audio/wav',
}

function attachmentOf({ id, url, remote_url, description, pleroma }: MediaEntity): ConnectorAttachment {
  // The server may not have fetched a file of another server; that one still has it.
  const address = webAddress(url) ?? webAddress(remote_url)
  const filename = address ? (new URL(address).pathname.split('/').at(-1) ?? '') : ''
  const ending = /\.(\w+)$/.exec(filename)?.[1]?.toLowerCase() ?? ''
  return {
    external_id: storable(id),
    url: address,
    blob_key: null,
    media_type: given(pleroma?.mime_type) ?? (Object.hasOwn(MEDIA_TYPES, ending) ? MEDIA_TYPES[ending]! : null),
    filename: given(filename),
    alt_text: given(description),
    byte_size: null,
    inline: false,
  }
}

function webAddress(text: string | null | undefined): string | null {
  if (!text || !URL.canParse(text)) return null
  return /^https?:$/.test(new URL(text).protocol) ? given(text) : null
}

/** In UTC; undefined for nonsense. What lies in the future becomes the time of receipt. */
function believable(instant: string | null | undefined, received_at: Date): string | undefined {
  const at = Date.parse(instant ?? '')
  if (!Number.isFinite(at) || at < 0) return undefined
  return new Date(at > received_at.getTime() + MAX_AHEAD_MS ? received_at : at).toISOString()
}

const latest = (a: string | undefined, b: string) => (a && a > b ? a : b)

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new MalformedPayload(z.prettifyError(parsed.error), { cause: parsed.error })
}
