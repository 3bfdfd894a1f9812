import type { Readable } from 'node:stream'

/** Bytes for the store: whole, or as they come. */
export type BlobSource = Uint8Array | AsyncIterable<Uint8Array>

/** `key` is `{workspace_id}/{sha256}`: the same bytes of the same workspace are stored once. */
export type Blob = { key: string; sha256: string; byte_size: number }

/** Both ends count. */
export type ByteRange = { start: number; end: number }

/** Where the bytes of attachments are kept; what they belong to stands in the database. */
export interface BlobStore {
  /**
   * Stores bytes whole or not at all; storing them again changes nothing. `announce` is told what they are before they
   * appear under their key, and nothing is stored when it throws.
   */
  put(workspace_id: string, source: BlobSource, announce?: (blob: Blob) => Promise<void>): Promise<Blob>
  /** @throws BlobMissing */
  open(key: string, range?: ByteRange): Promise<Readable>
  /** What is not there is deleted already. */
  delete(key: string): Promise<void>
  /** Removes what writers that died before that moment have left half written. */
  tidy(before: Date): Promise<void>
  /** Throws when nothing could be stored now. */
  check(): Promise<void>
}

export class BlobMissing extends Error {
  override name = 'BlobMissing'
  constructor(key: string, options?: ErrorOptions) {
    super(`there is no blob ${key}`, options)
  }
}

const WORKSPACE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SHA256 = /^[0-9a-f]{64}$/

export const blobKey = (workspace_id: string, sha256: string) => `${workspace_id}/${sha256}`

/** The parts of a key; undefined for what is none. A key becomes a path, so it may be nothing else. */
export function parseBlobKey(key: string): { workspace_id: string; sha256: string } | undefined {
  const [workspace_id = '', sha256 = '', ...more] = key.split('/')
  return WORKSPACE.test(workspace_id) && SHA256.test(sha256) && more.length === 0 ? { workspace_id, sha256 } : undefined
}

export function mustParseBlobKey(key: string): { workspace_id: string; sha256: string } {
  const parsed = parseBlobKey(key)
  if (!parsed) throw new TypeError('not a blob key')
  return parsed
}
