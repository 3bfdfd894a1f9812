import {
  appendEvents,
  type Draft,
  findMessage,
  insertDraft,
  lockConversation,
  lockDraft,
  type Trx,
  updateDraft,
} from '@parley/db'
import { DomainError, type Member, NotFound, type Visibility } from '@parley/domain'
import { keepClaim } from './claim-lease.ts'

export type DraftContent = {
  body: string
  visibility: Visibility | null
  in_reply_to: string | null
  attachment_ids: string[]
}

/** The version of a draft that the caller saw; `any` to write over whatever stands there; undefined: none was there. */
export type SeenVersion = number | 'any' | undefined

/**
 * Writes the draft of a conversation, if it is still in the version the caller saw. Saying again what stands there
 * changes nothing, so that an answer that got lost can be asked for again.
 * @throws NotFound, or DomainError `precondition_required` or `version_mismatch` with the present `draft`, null where
 *   there is none: nobody's text gets lost unseen
 */
export async function saveDraft(
  trx: Trx,
  conversation_id: string,
  content: DraftContent,
  seen: SeenVersion,
  author: Member,
  now: Date,
): Promise<Draft> {
  const conversation = await lockConversation(trx, conversation_id)
  if (!conversation) throw new NotFound('conversation')
  await keepClaim(trx, conversation, author, now)
  await refuseForeignParent(trx, conversation_id, content.in_reply_to)
  const stamps = { updated_by_type: author.type, updated_by_id: author.id, updated_at: now }
  let present = await lockDraft(trx, conversation_id)
  if (!present) {
    refuseUnlessSeen(undefined, seen)
    const inserted = await insertDraft(trx, { conversation_id, ...content, ...stamps })
    if (inserted) return logged(trx, inserted, author, now)
    present = (await lockDraft(trx, conversation_id))!
  }
  const draft = present.discarded ? undefined : present
  if (draft && seen !== undefined && isSame(draft, content)) return draft
  refuseUnlessSeen(draft, seen)
  const saved = await updateDraft(trx, conversation_id, { ...content, ...stamps, discarded: false })
  return logged(trx, saved, author, now)
}

/** @throws DomainError unless the caller may change what is there now */
export function refuseUnlessSeen(draft: Draft | undefined, seen: SeenVersion): void {
  const details = { draft: draft ? describeDraft(draft) : null }
  if (draft && seen === undefined) {
    throw new DomainError('precondition_required', 'There is a draft: send If-Match with the ETag you read.', details)
  }
  if (draft ? seen !== 'any' && seen !== draft.version : seen !== undefined) {
    throw new DomainError('version_mismatch', 'The draft is not as you read it; this is how it stands now.', details)
  }
}

/** What a draft is to a client. */
export function describeDraft({ workspace_id, discarded, ...draft }: Draft) {
  return draft
}

async function refuseForeignParent(trx: Trx, conversation_id: string, in_reply_to: string | null): Promise<void> {
  if (!in_reply_to) return
  const parent = await findMessage(trx, in_reply_to)
  if (parent?.conversation_id !== conversation_id || parent.direction !== 'inbound') {
    throw new DomainError('validation_failed', 'in_reply_to names no message of a customer in this conversation.')
  }
}

function isSame(draft: Draft, content: DraftContent): boolean {
  return (
    draft.body === content.body &&
    draft.visibility === content.visibility &&
    draft.in_reply_to === content.in_reply_to &&
    draft.attachment_ids.join() === content.attachment_ids.join()
  )
}

/** The log tells that somebody writes, not what. */
async function logged(trx: Trx, draft: Draft, actor: Member, now: Date): Promise<Draft> {
  const { conversation_id, version } = draft
  await appendEvents(trx, [{ type: 'draft.updated', at: now, actor, conversation_id, data: { version } }])
  return draft
}
