import { stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FILE = join(tmpdir(), 'parley-worker-heartbeat')
/** Every five seconds there is a beat; this long without one, the worker is not doing its work. */
const MAX_AGE_MS = 30_000

/** Says that the database has just answered and the process is not stuck. */
export async function beat(): Promise<void> {
  await writeFile(FILE, '')
}

/** True while the last beat is fresh. */
export async function isBeating(now: Date): Promise<boolean> {
  const written = await stat(FILE).catch(() => undefined)
  return written !== undefined && now.getTime() - written.mtimeMs <= MAX_AGE_MS
}
