import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Blob, type BlobSource, blobKey, mustParseBlobKey } from './blob-store.ts'

const SUFFIX = '.part'

/** Bytes that have come in whole and are on disk, under a name that nobody looks for. */
export type Spooled = Blob & { path: string; discard: () => Promise<void> }

/** Writes a source to a file of its own in `folder` and learns what it is called for good. Leaves nothing when it fails. */
export async function spool(folder: string, workspace_id: string, source: BlobSource): Promise<Spooled> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, randomUUID() + SUFFIX)
  const discard = () => rm(path, { force: true })
  const file = await open(path, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    let byte_size = 0
    for await (const chunk of chunksOf(source)) {
      hash.update(chunk)
      byte_size += chunk.byteLength
      await file.writeFile(chunk)
    }
    await file.sync()
    const sha256 = hash.digest('hex')
    const key = blobKey(workspace_id, sha256)
    mustParseBlobKey(key)
    return { key, sha256, byte_size, path, discard }
  } catch (error) {
    await discard()
    throw error
  } finally {
    await file.close()
  }
}

/** Removes what writers left that died before that moment. */
export async function removeLeftovers(folder: string, before: Date): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith(SUFFIX)) continue
    const path = join(folder, name)
    const written = await stat(path).catch(() => undefined)
    if (written && written.mtimeMs < before.getTime()) await rm(path, { force: true })
  }
}

async function* chunksOf(source: BlobSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) yield source
  else yield* source
}
