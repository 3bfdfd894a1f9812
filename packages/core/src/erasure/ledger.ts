import {
  findErasedIds,
  insertErasedIds,
  type LedgerPlace,
  type LedgerRow,
  listLedger,
  markBlobs,
  scrubLedger,
  type Trx,
} from '@parley/db'
import { boundedKey } from '../bounded-key.ts'
import { erasedDigest, erasedScope, erasedText, isErasedText } from '../erased-ids.ts'
import { type ErasureTask, type ErasureTools, FIRST_ID, type StepWork } from './steps.ts'
import { someText } from './traces.ts'

const BATCH = 200
const UNDONE = ['pending', 'parked']

/**
 * Empties what the ledger holds of them: what is done, and what is not done and was theirs or cannot be read. What others
 * said and is not done yet stays to be done. Files that only such an event names go first.
 */
export const eraseLedger: StepWork = async (trx, task, tools) => {
  const position = (task.erasure.position as LedgerPlace | null) ?? FIRST
  const rows = await listLedger(trx, position, BATCH)
  const theirs = await findTheirs(trx, rows, task, tools)
  const keys = await markBlobs(trx, [...new Set(theirs.flatMap(row => blobKeys(row, task)))], [], task.now)
  // The events stay until the bytes are gone, so that nobody who dies in between leaves any that nothing leads to.
  if (keys.length > 0) return { position, files: { keys, attachments: [], exports: [], marked_at: task.now } }
  const scrubbed = theirs.map(row => {
    const digest = erasedDigest(task.key, erasedScope.event(row.channel_id), row.dedup_key)
    return { ...row, digest, erased_key: erasedText(digest) }
  })
  await insertErasedIds(
    trx,
    scrubbed.map(({ digest }) => digest),
    task.now,
  )
  await scrubLedger(trx, scrubbed, task.now)
  const last = rows.at(-1)
  return {
    position: rows.length === BATCH && last ? { channel_id: last.channel_id, dedup_key: last.dedup_key } : null,
    counts: { ledger_events: scrubbed.length },
  }
}

const FIRST: LedgerPlace = { channel_id: FIRST_ID, dedup_key: '' }

async function findTheirs(trx: Trx, rows: LedgerRow[], task: ErasureTask, tools: ErasureTools): Promise<LedgerRow[]> {
  const { traces } = task
  const read = rows
    .filter(row => !isErasedText(row.dedup_key))
    .map(row => {
      const payload: unknown = row.payload === null ? null : JSON.parse(row.payload)
      return { row, payload, digests: messageDigests(row, payload, task) }
    })
  const erased = await findErasedIds(trx, [...new Set(read.flatMap(({ digests }) => digests))])
  const theirs: LedgerRow[] = []
  for (const { row, payload, digests } of read) {
    const told = digests.some(digest => erased.has(digest)) || traces.isInJson(payload)
    const named = traces.isIn(row.dedup_key) || (row.error !== null && traces.isIn(row.error))
    if (!told && !named) continue
    if (!UNDONE.includes(row.state) || (await isTheirs(trx, row, payload, task, tools))) theirs.push(row)
  }
  return theirs
}

/** Bytes that came with an event are named in it by their keys. */
const blobKeys = ({ payload }: LedgerRow, { workspace_id }: ErasureTask): string[] =>
  payload?.match(new RegExp(`${workspace_id}/[0-9a-f]{64}`, 'g')) ?? []

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

function messageDigests(row: LedgerRow, payload: unknown, { key }: ErasureTask): string[] {
  const digests: string[] = []
  someText(payload, text => {
    if (text.length <= MAX_ID_LENGTH) digests.push(erasedDigest(key, erasedScope.message(row.channel_id), text))
    return false
  })
  return digests
}

/** Longer texts are hashed where they are ids, and are none mostly. */
const MAX_ID_LENGTH = 255
