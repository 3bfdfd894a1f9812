import { appendEvents, lockSavedReply, type SavedReply, type Trx, updateSavedReply } from '@parley/db'
import { DomainError, type Member, NotFound } from '@parley/domain'
import { keysOf, refuseUnusable, type SavedReplyContent } from './create-saved-reply.ts'

export type SavedReplyChange = { [Field in keyof SavedReplyContent]?: SavedReplyContent[Field] | undefined } & {
  archived?: boolean | undefined
}

/**
 * Changes a saved reply, if it is still in the version the caller saw. A change to what it is already changes nothing.
 * @throws NotFound, DomainError `version_mismatch`, or as createSavedReply does
 */
export async function changeSavedReply(
  trx: Trx,
  id: string,
  { archived, ...fields }: SavedReplyChange,
  expected_version: number,
  actor: Member,
  now: Date,
): Promise<SavedReply> {
  const present = await lockSavedReply(trx, id)
  if (!present) throw new NotFound('saved reply')
  if (present.version !== expected_version) {
    throw new DomainError('version_mismatch', 'The saved reply has changed since you read it.')
  }
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  const changed = given.filter(([field, value]) => present[field as keyof SavedReplyContent] !== value)
  const { name, shortcut, body, inbox_id, language } = { ...present, ...Object.fromEntries(changed) }
  const content = { name, shortcut, body, inbox_id, language }
  if (changed.length > 0) await refuseUnusable(trx, content)
  const moved = archived !== undefined && archived !== (present.archived_at !== null)
  if (changed.length === 0 && !moved) return present
  const archived_at = moved ? (archived ? now : null) : present.archived_at
  const saved = await updateSavedReply(trx, id, {
    ...content,
    ...keysOf(content),
    archived_at,
    updated_by_type: actor.type,
    updated_by_id: actor.id,
    updated_at: now,
  })
  const type = moved ? (archived ? 'saved_reply.archived' : 'saved_reply.restored') : 'saved_reply.updated'
  const data = { saved_reply_id: id, version: saved.version }
  await appendEvents(trx, [{ type, at: now, actor, data }])
  return saved
}

/** Takes a saved reply out of use; doing so again changes nothing. It can be restored. */
export async function archiveSavedReply(trx: Trx, id: string, actor: Member, now: Date): Promise<SavedReply> {
  const present = await lockSavedReply(trx, id)
  if (!present) throw new NotFound('saved reply')
  return changeSavedReply(trx, id, { archived: true }, present.version, actor, now)
}
