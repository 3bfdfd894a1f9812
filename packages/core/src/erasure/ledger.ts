import {
  deletePayloads,
  findErasedIds,
  insertErasedIds,
  type LedgerPlace,
  type LedgerRow,
  listLedger,
  scrubLedger,
  type Trx,
} from '@parley/db'
import { boundedKey } from '../bounded-key.ts'
import { erasedDigest, erasedScope, erasedText, isErasedText } from '../erased-ids.ts'
import type { ErasureTask, ErasureTools, StepWork } from './steps.ts'
import { someText } from './traces.ts'

const BATCH = 200
const UNDONE = ['pending', 'parked']

/**
 * Empties what the ledger holds of them: what is done, and what is not done and was theirs or cannot be read. What others
 * said and is not done yet stays to be done.
 */
export const eraseLedger: StepWork = async (trx, task, tools) => {
  const rows = await listLedger(trx, task.erasure.position as LedgerPlace | null, BATCH)
  const parsed = rows.map(row => ({ row, payload: row.payload === null ? null : (JSON.parse(row.payload) as unknown) }))
  const erased = await findErasedIds(trx, [...new Set(parsed.flatMap(given => messageDigests(given, task)))])
  const scrubbed: (LedgerRow & { erased_key: string; digest: string })[] = []
  const dropped: string[] = []
  for (const given of parsed) {
    const { row, payload } = given
    const told = messageDigests(given, task).some(digest => erased.has(digest)) || task.traces.isInJson(payload)
    const keyed = task.traces.isIn(row.dedup_key) || (row.error !== null && task.traces.isIn(row.error))
    if (isErasedText(row.dedup_key) || (!told && !keyed)) continue
    if (UNDONE.includes(row.state) && !(await isTheirs(trx, row, payload, task, tools))) continue
    const digest = erasedDigest(task.key, erasedScope.event(row.channel_id), row.dedup_key)
    scrubbed.push({ ...row, digest, erased_key: erasedText(digest) })
    dropped.push(row.id)
  }
  await insertErasedIds(
    trx,
    scrubbed.map(({ digest }) => digest),
    task.now,
  )
  await scrubLedger(trx, scrubbed, task.now)
  await deletePayloads(trx, dropped)
  const last = rows.at(-1)
  const { channel_id, dedup_key } = last ?? {}
  return {
    position: rows.length === BATCH ? { channel_id, dedup_key } : null,
    counts: { ledger_events: scrubbed.length },
  }
}

/** Written by one of their accounts before it was erased, or by nobody who can be told. */
async function isTheirs(
  trx: Trx,
  row: LedgerRow,
  payload: unknown,
  task: ErasureTask,
  tools: ErasureTools,
): Promise<boolean> {
  if (row.received_at > task.erasure.requested_at) return false
  const author = await tools.authorOf(trx, { ...row, payload })
  if (!author) return true
  return task.accounts.has(erasedDigest(task.key, erasedScope.account(author.network), boundedKey(author.external_id)))
}

function messageDigests({ row, payload }: { row: LedgerRow; payload: unknown }, { key }: ErasureTask): string[] {
  const digests: string[] = []
  someText(payload, text => {
    if (text.length <= MAX_ID_LENGTH) digests.push(erasedDigest(key, erasedScope.message(row.channel_id), text))
    return false
  })
  return digests
}

/** Longer texts are hashed where they are ids, and are none mostly. */
const MAX_ID_LENGTH = 255
