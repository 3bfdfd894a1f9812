import {
  appendEvents,
  claimErasure,
  findErasureKey,
  listIdentities,
  listPersonIds,
  type Trx,
  updateErasure,
} from '@parley/db'
import { isErasedText } from '../erased-ids.ts'
import { eraseAnswers } from './answers.ts'
import { eraseConversations } from './conversations.ts'
import { summed } from './counts.ts'
import { eraseFiles } from './files.ts'
import { eraseLedger } from './ledger.ts'
import { eraseLog } from './log.ts'
import { eraseMessages } from './messages.ts'
import { erasePosts } from './posts.ts'
import { eraseReplies } from './replies.ts'
import { type ErasureTools, type FilesToDelete, STEPS, type Step, type StepWork } from './steps.ts'
import { tracesOf, type Wanted } from './traces.ts'

const WORK: Record<Step, StepWork> = {
  replies: eraseReplies,
  files: eraseFiles,
  messages: eraseMessages,
  posts: erasePosts,
  conversations: eraseConversations,
  ledger: eraseLedger,
  answers: eraseAnswers,
  log: eraseLog,
}

/** `more`: call again; `wait`: later; `files`: delete these bytes first, outside the transaction, and record it. */
export type Advance = { outcome: 'done' | 'more' | 'wait' | 'taken' } | { outcome: 'files'; files: FilesToDelete }

/**
 * Does the next piece of an erasure, and records in the same transaction how far it is: whoever dies in between has done
 * nothing, and another one goes on there.
 */
export async function advanceErasure(
  trx: Trx,
  ids: { workspace_id: string; erasure_id: string },
  tools: ErasureTools,
  now: Date,
): Promise<Advance> {
  const erasure = await claimErasure(trx, ids.erasure_id)
  if (!erasure) return { outcome: 'taken' }
  const everybody = await listPersonIds(trx, erasure.contact_id)
  const task = {
    erasure,
    everybody,
    traces: tracesOf(erasure.looking_for as Wanted),
    accounts: await accountDigests(trx, everybody),
    key: (await findErasureKey(trx))!,
    workspace_id: ids.workspace_id,
    now,
  }
  const step = erasure.step as Step
  const { position, counts = {}, wait, files } = await WORK[step](trx, task, tools)
  const next = position === null && !wait ? STEPS[STEPS.indexOf(step) + 1] : step
  const sum = JSON.stringify(summed(erasure.counts, counts))
  if (!next) {
    await updateErasure(trx, erasure.id, {
      state: 'done',
      counts: sum,
      position: null,
      looking_for: null,
      finished_at: now,
    })
    const data = { contact_id: erasure.contact_id, erasure_id: erasure.id }
    const actor = { type: erasure.requested_by_type, id: erasure.requested_by_id }
    await appendEvents(trx, [{ type: 'contact.erased', at: now, actor, data }])
    return { outcome: 'done' }
  }
  await updateErasure(trx, erasure.id, {
    step: next,
    counts: sum,
    position: position === null ? null : JSON.stringify(position),
  })
  if (files) return { outcome: 'files', files }
  return { outcome: wait ? 'wait' : 'more' }
}

/** The hashes that stand in the place of their accounts' ids. */
async function accountDigests(trx: Trx, everybody: string[]): Promise<Set<string>> {
  const identities = await listIdentities(trx, everybody, { limit: 10_000 })
  return new Set(
    identities.filter(row => isErasedText(row.external_id)).map(row => row.external_id.slice('erased:'.length)),
  )
}
