import { createHash } from 'node:crypto'
import { type BlobStore, bounded } from '@parley/blob-store'
import type { OutgoingAttachment } from '@parley/connectors'
import type { Attachment } from '@parley/db'

/** Files of a reply as its connector takes them, in their order. `read` fails unless it gets exactly what was uploaded. */
export function outgoingAttachments(blobs: BlobStore, rows: Attachment[]): OutgoingAttachment[] {
  return rows.map(({ id, media_type, filename, alt_text, byte_size, blob_key, sha256, state }) => ({
    id,
    media_type: media_type ?? 'application/octet-stream',
    filename,
    alt_text,
    byte_size: byte_size ?? 0,
    read: async () => {
      if (state !== 'stored' || !blob_key) throw new Error(`attachment ${id} is not stored`)
      const chunks: Uint8Array[] = []
      for await (const chunk of bounded(await blobs.open(blob_key), byte_size ?? 0)) chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw new Error(`attachment ${id} is damaged`)
      return bytes
    },
  }))
}
