import {
  type ApiKey,
  appendEvents,
  expireApiKey,
  findUser,
  generateApiKey,
  hashToken,
  insertApiKey,
  listKnownInboxIds,
  lockApiKey,
  newId,
  revokeApiKey,
  type Trx,
} from '@parley/db'
import { type Actor, atLeast, DomainError, NotFound, type Role } from '@parley/domain'

export type ApiKeyDraft = {
  name: string
  role: Role
  user_id: string | null
  inbox_ids: string[] | null
  expires_at: Date | null
}
/** A key with its clear text, which is shown once. */
export type NewApiKey = ApiKey & { key: string }

/**
 * Makes a key.
 * @throws DomainError `validation_failed` for an unknown person or inbox, a role above the person's, or an administrator's
 *   key that is limited to inboxes: it could make itself another one
 */
export async function createApiKey(trx: Trx, draft: ApiKeyDraft, actor: Actor, now: Date): Promise<NewApiKey> {
  const { role, user_id, inbox_ids } = draft
  const user = user_id ? await findUser(trx, user_id) : undefined
  if (user_id && user?.status !== 'active') {
    throw new DomainError('validation_failed', 'user_id names no active user of this workspace.')
  }
  if (user && !atLeast(user.role, role)) {
    throw new DomainError('validation_failed', `A key that acts as this person has at most the role ${user.role}.`)
  }
  if (inbox_ids) {
    if (role === 'admin')
      throw new DomainError('validation_failed', 'A key with the role admin is not limited to inboxes.')
    const known = await listKnownInboxIds(trx, inbox_ids)
    if (inbox_ids.some(id => !known.includes(id))) {
      throw new DomainError('validation_failed', 'inbox_ids names an inbox that is not of this workspace.')
    }
  }
  const key = await storeKey(trx, draft, now)
  const data = { api_key_id: key.id, name: draft.name, role, user_id, inbox_ids, expires_at: draft.expires_at }
  await appendEvents(trx, [{ type: 'api_key.created', at: now, actor, data }])
  return key
}

/**
 * Makes a key that takes the place of another one, with its name, role and limits. The former one opens for
 * `overlap_seconds` more, and no longer than it would have.
 * @throws NotFound, or DomainError `conflict` for a key that has ended
 */
export async function rotateApiKey(
  trx: Trx,
  id: string,
  overlap_seconds: number,
  actor: Actor,
  now: Date,
): Promise<NewApiKey> {
  const former = await lockApiKey(trx, id)
  if (!former) throw new NotFound('API key')
  const { name, role, user_id, inbox_ids, expires_at } = former
  if (former.revoked_at || (expires_at && expires_at <= now)) {
    throw new DomainError('conflict', 'This key has ended; make a new one.')
  }
  const key = await storeKey(trx, { name, role, user_id, inbox_ids, expires_at }, now)
  const end = new Date(now.getTime() + overlap_seconds * 1000)
  if (overlap_seconds === 0) await revokeApiKey(trx, id, now)
  else if (!expires_at || end < expires_at) await expireApiKey(trx, id, end)
  const data = { api_key_id: key.id, former_id: id, former_ends_at: expires_at && expires_at < end ? expires_at : end }
  await appendEvents(trx, [{ type: 'api_key.rotated', at: now, actor, data }])
  return key
}

/** Ends a key at once; ending it again changes nothing. @throws NotFound */
export async function endApiKey(trx: Trx, id: string, actor: Actor, now: Date): Promise<ApiKey> {
  const present = await lockApiKey(trx, id)
  if (!present) throw new NotFound('API key')
  if (present.revoked_at) return present
  await appendEvents(trx, [{ type: 'api_key.revoked', at: now, actor, data: { api_key_id: id } }])
  return (await revokeApiKey(trx, id, now))!
}

async function storeKey(trx: Trx, draft: ApiKeyDraft, now: Date): Promise<NewApiKey> {
  const key = generateApiKey()
  const row = await insertApiKey(trx, {
    id: newId(now),
    ...draft,
    key_hash: hashToken(key),
    key_hint: keyHint(key),
    created_at: now,
  })
  return { ...row, key }
}

/** Enough of a key to tell it from others in a list, not enough to guess it. */
export function keyHint(key: string): string {
  return `…${key.slice(-4)}`
}
