import { access, constants, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import {
  type Blob,
  BlobMissing,
  type BlobSource,
  type BlobStore,
  type ByteRange,
  mustParseBlobKey,
} from './blob-store.ts'
import { removeLeftovers, spool } from './spool.ts'

/** Blobs as files of a folder that all processes share. */
export class FolderStore implements BlobStore {
  readonly #dir: string
  /** In the same file system, so that a finished file only has to be renamed. */
  readonly #incoming: string

  constructor(dir: string) {
    this.#dir = dir
    this.#incoming = join(dir, 'incoming')
  }

  async put(workspace_id: string, source: BlobSource, announce?: (blob: Blob) => Promise<void>): Promise<Blob> {
    const { path, discard, ...blob } = await spool(this.#incoming, workspace_id, source)
    try {
      await announce?.(blob)
      const place = this.#pathOf(blob.key)
      await mkdir(dirname(place), { recursive: true, mode: 0o700 })
      await rename(path, place)
      await syncFolder(dirname(place))
      return blob
    } catch (error) {
      await discard()
      throw error
    }
  }

  async open(key: string, range?: ByteRange): Promise<Readable> {
    try {
      const file = await open(this.#pathOf(key), 'r')
      return file.createReadStream(range)
    } catch (error) {
      throw isMissing(error) ? new BlobMissing(key, { cause: error }) : error
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#pathOf(key), { force: true })
  }

  async tidy(before: Date): Promise<void> {
    await removeLeftovers(this.#incoming, before)
  }

  async check(): Promise<void> {
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 })
    await access(this.#incoming, constants.R_OK | constants.W_OK | constants.X_OK)
  }

  /** Spread over 256 folders for each workspace: some file systems are slow with a million files in one. */
  #pathOf(key: string): string {
    const { workspace_id, sha256 } = mustParseBlobKey(key)
    return join(this.#dir, workspace_id, sha256.slice(0, 2), sha256)
  }
}

/** A renamed file survives a power cut once its folder is on disk too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const isMissing = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT'
