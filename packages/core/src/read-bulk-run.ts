import {
  type BulkProgress,
  type Credential,
  findBulkRun,
  isOwnRun,
  listConversationsByIds,
  seesInbox,
  type Trx,
} from '@parley/db'
import { NotFound } from '@parley/domain'
import type { BulkResult } from './act-on-many.ts'

/** How far a bulk call is. Whether somebody is still at it cannot be told: `updated_at` moves with each part. */
export function describeBulkRun({ id, key, user_id, results, tally, conversation_ids, ...stamps }: BulkProgress) {
  const total = conversation_ids.length
  const done = Object.keys(results as object).length
  const { created_at, updated_at } = stamps
  const { changed = 0, unchanged = 0, partly = 0, refused = 0 } = tally
  return {
    ...{ id, idempotency_key: key, user_id, state: done < total ? ('unfinished' as const) : ('done' as const) },
    ...{ total, done, tally: { changed, unchanged, partly, refused }, created_at, updated_at },
  }
}

/**
 * A bulk call with the results that there are so far, in the order in which they were asked for. Others than who made it
 * are shown those of conversations that they see.
 * @throws NotFound
 */
export async function readBulkRun(trx: Trx, id: string, reader: Credential) {
  const run = await findBulkRun(trx, reader, id)
  if (!run) throw new NotFound('batch')
  const results = run.results as Record<string, BulkResult>
  const done = run.conversation_ids.flatMap(conversation_id => results[conversation_id] ?? [])
  return { ...describeBulkRun(run), data: isOwnRun(run, reader) ? done : await seenOf(trx, done, reader) }
}

async function seenOf(trx: Trx, done: BulkResult[], reader: Credential): Promise<BulkResult[]> {
  if (reader.inbox_ids === null) return done
  const found = await listConversationsByIds(
    trx,
    done.map(({ id }) => id),
  )
  const seen = new Set(found.filter(({ inbox_id }) => seesInbox(reader, inbox_id)).map(({ id }) => id))
  return done.filter(({ id }) => seen.has(id))
}
