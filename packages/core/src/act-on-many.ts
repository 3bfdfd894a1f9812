import {
  addBulkResults,
  type Conversation,
  insertBulkRun,
  lockBulkRun,
  lockConversations,
  newId,
  type Reach,
  seesInbox,
  type Trx,
} from '@parley/db'
import {
  type ActionOutcome,
  type ConversationAction,
  DomainError,
  type TotalOutcome,
  totalOutcome,
} from '@parley/domain'
import { type Acting, applyActions } from './actions/apply-actions.ts'

/** So many conversations are locked at once: others wait for no more than that. */
const PART = 25

export type BulkRequest = {
  ids: string[]
  actions: ConversationAction[]
  /** By id, the version that the caller saw. */
  versions?: Record<string, number> | undefined
}
export type BulkResult = { id: string; result: TotalOutcome; code?: string; actions: ActionOutcome[] }
/** The call as it was sent first: sent again with the same key, it goes on where it ended. */
export type BulkKey = { credential_id: string; user_id: string | null; key: string; fingerprint: Buffer }
/** `batch_id`: what is kept of the call; null of one without a key. */
export type BulkAnswer = { batch_id: string | null; data: BulkResult[] }

/**
 * Does the same to many conversations, in parts that commit by themselves, with one result for each of them in the order
 * asked for. With a key, the results of each part are kept with it, so that nothing is done twice whatever dies.
 * @param inTransaction runs one part
 * @throws DomainError `idempotency_key_reused` for another call with the same key
 */
export async function actOnMany(
  inTransaction: <T>(work: (trx: Trx) => Promise<T>) => Promise<T>,
  request: BulkRequest,
  key: BulkKey | undefined,
  acting: Acting,
  caller: Reach,
  now: Date,
): Promise<BulkAnswer> {
  const known = new Map<string, BulkResult>()
  // In id order, over all parts: two calls that name the same in other orders cannot block each other.
  const ids = request.ids.toSorted()
  let batch_id: string | null = null
  for (let first = 0; first < ids.length; first += PART) {
    const part = ids.slice(first, first + PART)
    const done = await inTransaction(trx => doPart(trx, part, request, key, acting, caller, now))
    for (const result of done.data) known.set(result.id, result)
    batch_id = done.batch_id
  }
  return { batch_id, data: request.ids.map(id => known.get(id)!) }
}

async function doPart(
  trx: Trx,
  ids: string[],
  request: BulkRequest,
  key: BulkKey | undefined,
  acting: Acting,
  caller: Reach,
  now: Date,
): Promise<BulkAnswer> {
  const run = key && (await lockRun(trx, key, request.ids, now))
  const batch_id = run?.id ?? null
  const before = (run?.results ?? {}) as Record<string, BulkResult>
  const done = ids.flatMap(id => before[id] ?? [])
  if (done.length === ids.length) return { batch_id, data: done }
  const locked = new Map((await lockConversations(trx, ids)).map(conversation => [conversation.id, conversation]))
  const results: BulkResult[] = []
  for (const id of ids) {
    const conversation = locked.get(id)
    const code = whyNot(conversation, request.versions?.[id], caller)
    if (code || !conversation) {
      results.push({ id, result: 'refused', code: code ?? 'not_found', actions: [] })
      continue
    }
    const { outcomes } = await applyActions(trx, conversation, request.actions, acting, now)
    results.push({ id, result: totalOutcome(outcomes), actions: outcomes })
  }
  if (run) await addBulkResults(trx, run.id, Object.fromEntries(results.map(result => [result.id, result])), now)
  return { batch_id, data: results }
}

/** What is in an inbox that the caller does not see is answered like what is not there. */
function whyNot(conversation: Conversation | undefined, version: number | undefined, caller: Reach) {
  if (!conversation || !seesInbox(caller, conversation.inbox_id)) return 'not_found'
  return version !== undefined && version !== conversation.version ? 'version_mismatch' : undefined
}

async function lockRun(trx: Trx, { fingerprint, ...given }: BulkKey, conversation_ids: string[], now: Date) {
  const stamps = { created_at: now, updated_at: now }
  await insertBulkRun(trx, { id: newId(now), ...given, fingerprint, conversation_ids, ...stamps })
  const run = (await lockBulkRun(trx, given))!
  if (!run.fingerprint.equals(fingerprint))
    throw new DomainError('idempotency_key_reused', 'This Idempotency-Key was used for another request.')
  return run
}
