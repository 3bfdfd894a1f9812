import { deleteFiles, expireExports, forgetBlobs, listExportsOf, listFilesFrom, markBlobs, type Trx } from '@parley/db'
import { addCounts } from './counts.ts'
import type { FilesToDelete, StepWork } from './steps.ts'

const BATCH = 100

/** Marks bytes of theirs to be deleted; what leads to them goes when they are, so that nothing is forgotten half-way. */
export const eraseFiles: StepWork = async (trx, { everybody, now }) => {
  const files = await listFilesFrom(trx, everybody, BATCH)
  const exports = await listExportsOf(trx, everybody)
  const found = [...files, ...exports]
  if (found.length === 0) return { position: null }
  const ids = found.map(({ id }) => id)
  const keys = await markBlobs(trx, [...new Set(found.flatMap(({ blob_key }) => blob_key ?? []))], ids, now)
  const [attachments, expired] = [files.map(({ id }) => id), exports.map(({ id }) => id)]
  return { position: {}, files: { keys, attachments, exports: expired, marked_at: now } }
}

/** Records that these files are gone. */
export async function finishErasedFiles(trx: Trx, erasure_id: string, files: FilesToDelete): Promise<void> {
  await forgetBlobs(trx, files.keys, files.marked_at)
  const attachments = await deleteFiles(trx, files.attachments)
  await expireExports(trx, files.exports)
  await addCounts(trx, erasure_id, { attachments, files: files.keys.length, exports: files.exports.length })
}
