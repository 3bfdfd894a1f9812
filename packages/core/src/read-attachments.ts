import { parseBlobKey } from '@parley/blob-store'
import type { ConnectorAttachment } from '@parley/contracts'
import { type Channel, type IncomingAttachment, type KnownMessage, newId } from '@parley/db'
import { safeFileName } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { isOurs } from './change-message.ts'
import { type Arrival, compareVersions, type Version } from './read-batch.ts'

/** More than any network lets anybody attach; mails may carry any number. */
const MAX_FILES = 100
const MAX_URL_LENGTH = 2_048
const MAX_ALT_LENGTH = 4_096
const MAX_TYPE_LENGTH = 255

export type BroughtFiles = {
  /** Messages of which a newer version came: what that one does not have is no longer theirs. */
  outdated: string[]
  rows: IncomingAttachment[]
}

/** True when any version of the message has a file. */
export const bringsFiles = ({ attachments, older }: Pick<Arrival, 'attachments' | 'older'>): boolean =>
  Boolean(attachments?.length) || older.some(version => version.attachments?.length)

/**
 * The files of a batch as they are stored: each file that any version of a message has is kept, and those that its
 * newest version does not have are marked. Undefined when the batch is about no files, as most are.
 * @param rows the messages that are new
 */
export function readAttachments(
  channel: Pick<Channel, 'id' | 'workspace_id'>,
  arrivals: Arrival[],
  known: Map<string, KnownMessage>,
  rows: Map<string, { id: string }>,
  now: Date,
): BroughtFiles | undefined {
  const outdated: string[] = []
  const found: IncomingAttachment[] = []
  for (const arrival of arrivals) {
    const before = known.get(arrival.external_id)
    if ((before && isOurs(before)) || !(before?.has_attachments || bringsFiles(arrival))) continue
    const stored = before && { version_at: before.version_at, text: before.body }
    const newest = stored && compareVersions(arrival, stored) < 0 ? stored : arrival
    if (stored && compareVersions(arrival, stored) > 0) outdated.push(before.id)
    const message_id = before?.id ?? rows.get(arrival.external_id)!.id
    found.push(...filesOf(channel, message_id, [arrival, ...arrival.older], newest, now))
  }
  return outdated.length + found.length > 0 ? { outdated, rows: found } : undefined
}

/** Each file once: as the newest version that has it describes it. */
function filesOf(
  channel: Pick<Channel, 'id' | 'workspace_id'>,
  message_id: string,
  versions: Version[],
  newest: Pick<Version, 'version_at' | 'text'>,
  now: Date,
): IncomingAttachment[] {
  const files = new Map<string, IncomingAttachment>()
  for (const version of versions.toSorted((a, b) => compareVersions(b, a))) {
    const removed = compareVersions(version, newest) !== 0
    for (const [position, attachment] of (version.attachments ?? []).slice(0, MAX_FILES).entries()) {
      const external_id = boundedKey(attachment.external_id)
      if (files.has(external_id)) continue
      const { version_at } = version
      const place = { message_id, channel_id: channel.id, external_id, position, version_at, removed, created_at: now }
      files.set(external_id, { id: newId(now), ...place, ...contentOf(channel.workspace_id, attachment, now) })
    }
  }
  return [...files.values()]
}

function contentOf(workspace_id: string, attachment: ConnectorAttachment, now: Date) {
  const source_url = storableUrl(attachment.url)
  const blob_key = ownKey(workspace_id, attachment.blob_key)
  const reachable = attachment.linked ? isWebAddress(source_url) : source_url !== null || blob_key !== null
  const there = attachment.linked ? ('linked' as const) : ('pending' as const)
  return {
    state: reachable ? there : ('failed' as const),
    reason: reachable ? null : 'The network does not say where the file is.',
    source_url,
    blob_key,
    claimed_media_type: storable(attachment.media_type, MAX_TYPE_LENGTH),
    // Claimed, until it is here.
    byte_size: Number.isSafeInteger(attachment.byte_size) ? attachment.byte_size : null,
    filename: safeFileName(attachment.filename),
    alt_text: storable(attachment.alt_text, MAX_ALT_LENGTH),
    inline: attachment.inline,
    next_attempt_at: reachable && !attachment.linked ? now : null,
  }
}

/** A key is from our own connector, and yet nothing may name what another workspace keeps. */
function ownKey(workspace_id: string, key: string | null): string | null {
  return key !== null && parseBlobKey(key)?.workspace_id === workspace_id ? key : null
}

const storable = (text: string | null, maxLength: number): string | null =>
  text?.replaceAll('\0', '').slice(0, maxLength).toWellFormed() || null

const storableUrl = (url: string | null): string | null =>
  url && url.length <= MAX_URL_LENGTH && url.isWellFormed() && !url.includes('\0') ? url : null

/** People will follow it: a `javascript:` would run where it is shown. */
const isWebAddress = (url: string | null): boolean =>
  url !== null && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
