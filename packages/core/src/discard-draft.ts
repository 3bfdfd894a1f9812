import { appendEvents, type Draft, deleteDraft, lockConversation, lockDraft, type Trx } from '@parley/db'
import { type Member, NotFound } from '@parley/domain'
import { refuseUnlessSeen, type SeenVersion } from './save-draft.ts'

/**
 * Takes the draft of a conversation away, if it is still in the version the caller saw. Returns it as it was.
 * @throws NotFound, or DomainError as saveDraft does
 */
export async function discardDraft(
  trx: Trx,
  conversation_id: string,
  seen: SeenVersion,
  actor: Member,
  now: Date,
): Promise<Draft> {
  if (!(await lockConversation(trx, conversation_id))) throw new NotFound('conversation')
  const draft = await lockDraft(trx, conversation_id)
  if (!draft || draft.discarded) throw new NotFound('draft')
  refuseUnlessSeen(draft, seen)
  const { version } = draft
  await deleteDraft(trx, conversation_id, version)
  await appendEvents(trx, [{ type: 'draft.deleted', at: now, actor, conversation_id, data: { version } }])
  return draft
}
