import { constants } from 'node:fs'
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Place } from './place.ts'

const maxBytes = 10 * 1024 * 1024
const quotedLines = 15

/** The server's log, open for appending. A large one is set aside at a start, replacing the one set aside before. */
export async function openLog({ folder, account }: Place): Promise<{ path: string; file: FileHandle }> {
  const path = join(folder, 'postgres.log')
  const before = await stat(path).catch(() => undefined)
  if (before && before.size > maxBytes) await rename(path, `${path}.old`)
  // Root opens it in a folder that is another user's: it must not follow a link planted there.
  const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants
  const file = await open(path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600)
  if (account) await file.chown(account.uid, account.gid)
  return { path, file }
}

export async function sizeOf(file: FileHandle): Promise<number> {
  return (await file.stat()).size
}

/** The last lines written after byte `from`. */
export async function readTail(file: FileHandle, from: number): Promise<string> {
  const start = Math.max(from, (await sizeOf(file)) - 16_384)
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(16_384), position: start })
  return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-quotedLines).join('\n')
}
