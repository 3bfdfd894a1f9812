import type { IncomingHttpHeaders } from 'node:http'
import type { ByteRange } from '@parley/blob-store'
import type { Attachment } from '@parley/db'
import { create } from 'content-disposition'
import parseRange from 'range-parser'

/** What a browser shows and cannot run. Everything else is downloaded. */
const SHOWN = new Set([
  ...['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/apng', 'image/heic', 'image/heif'],
  ...['audio/mpeg', 'audio/mp4', 'audio/x-m4a', 'audio/aac', 'audio/ogg', 'audio/wav', 'audio/flac', 'audio/webm'],
  ...['video/mp4', 'video/webm', 'video/ogg', 'video/quicktime', 'video/x-m4v'],
])
const YEAR_SECONDS = 31_536_000

/** How a file is served whose content anybody may have made: nothing in it runs, nothing about it is guessed. */
export function contentHeaders({ media_type, filename, sha256 }: Attachment) {
  const type = media_type ?? 'application/octet-stream'
  return {
    'content-type': type === 'text/plain' ? 'text/plain; charset=utf-8' : type,
    'content-disposition': create(filename ?? undefined, { type: SHOWN.has(type) ? 'inline' : 'attachment' }),
    'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'cache-control': `private, max-age=${YEAR_SECONDS}, immutable`,
    'accept-ranges': 'bytes',
    etag: `"${sha256}"`,
  }
}

/** The one range that is asked for; undefined where the whole file is to be sent (RFC 9110, 14.2). */
export function rangeOf(
  headers: IncomingHttpHeaders,
  etag: string,
  byte_size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const ifRange = headers['if-range']
  if (!headers.range || (ifRange !== undefined && ifRange !== etag)) return undefined
  const ranges = parseRange(byte_size, headers.range)
  if (ranges === -1) return 'unsatisfiable'
  // Several ranges, and units that nobody knows, may be left alone.
  return ranges !== -2 && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined
}
