import { type Attachment, lockUnusedAttachments, type Trx } from '@parley/db'
import { type AttachmentLimits, DomainError } from '@parley/domain'

export const UNKNOWN_UPLOADS = 'attachment_ids must name uploads of this workspace that no reply has yet, each once.'

/**
 * Locks the uploads a reply is to carry, in its order.
 * @throws DomainError `validation_failed` for what is no unused upload, `reply_refused` for what the network does not take
 */
export async function lockForReply(trx: Trx, ids: string[], limits: AttachmentLimits | null): Promise<Attachment[]> {
  if (ids.length === 0) return []
  const files = await lockUnusedAttachments(trx, ids)
  if (files.length < ids.length) {
    throw new DomainError('validation_failed', UNKNOWN_UPLOADS)
  }
  if (!limits) throw refused('Replies on this channel carry no files.')
  if (files.length > limits.max_count)
    throw refused(`The network takes ${limits.max_count} files; these are ${files.length}.`)
  for (const { filename, id, byte_size, media_type } of files) {
    const name = filename ?? id
    if (!limits.media_types.some(pattern => fits(media_type ?? '', pattern))) {
      throw refused(`The network takes ${limits.media_types.join(', ')}; ${name} is ${media_type}.`)
    }
    if ((byte_size ?? 0) > limits.max_bytes) {
      throw refused(`The network takes files of ${limits.max_bytes} bytes; ${name} has ${byte_size}.`)
    }
  }
  return files
}

function fits(media_type: string, pattern: string): boolean {
  if (pattern === '*/*') return true
  return pattern.endsWith('/*') ? media_type.startsWith(pattern.slice(0, -1)) : media_type === pattern
}

const refused = (reason: string) => new DomainError('reply_refused', reason)
