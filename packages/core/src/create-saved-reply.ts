import { appendEvents, findInbox, insertSavedReply, newId, type SavedReply, type Trx } from '@parley/db'
import { DomainError, type Member, searchKey } from '@parley/domain'
import { checkTemplate } from './reply-template.ts'

export const UNKNOWN_INBOX = 'inbox_id names no inbox of this workspace.'

export type SavedReplyContent = {
  name: string
  shortcut: string | null
  body: string
  inbox_id: string | null
  language: string | null
}

/**
 * Saves a text to be used often.
 * @throws DomainError `validation_failed` for a template that could not be rendered, or an unknown inbox
 */
export async function createSavedReply(
  trx: Trx,
  content: SavedReplyContent,
  author: Member,
  now: Date,
): Promise<SavedReply> {
  await refuseUnusable(trx, content)
  const id = newId(now)
  const saved = await insertSavedReply(trx, {
    id,
    ...content,
    ...keysOf(content),
    created_by_type: author.type,
    created_by_id: author.id,
    created_at: now,
    updated_by_type: author.type,
    updated_by_id: author.id,
    updated_at: now,
  })
  const data = { saved_reply_id: id, version: saved.version }
  await appendEvents(trx, [{ type: 'saved_reply.created', at: now, actor: author, data }])
  return saved
}

/** @throws DomainError `validation_failed` */
export async function refuseUnusable(trx: Trx, { body, inbox_id, shortcut }: SavedReplyContent): Promise<void> {
  checkTemplate(body)
  if (shortcut !== null && searchKey(shortcut) === '') {
    throw new DomainError('validation_failed', 'The shortcut has no character that can be compared.')
  }
  if (inbox_id && !(await findInbox(trx, inbox_id))) {
    throw new DomainError('validation_failed', UNKNOWN_INBOX)
  }
}

/** What a saved reply is found by. */
export function keysOf({ name, shortcut, body }: Pick<SavedReplyContent, 'name' | 'shortcut' | 'body'>) {
  return {
    shortcut_key: shortcut === null ? null : searchKey(shortcut),
    search_key: searchKey([name, shortcut ?? '', body].join('\n')),
  }
}
