import type { ConversationFilterInput } from '@parley/contracts'
import { findAttributeKeys } from '@parley/core'
import {
  type ConversationFilter,
  type Credential,
  findContact,
  findPost,
  listTagsByKey,
  sees,
  type Trx,
} from '@parley/db'
import { DomainError, searchKey } from '@parley/domain'
import { refuseUnknownNames, refuseUnless } from './refuse-unknown.ts'

/** A promise that falls due within this time is at risk. */
const AT_RISK_MS = 30 * 60_000

/** Filters as callers write them: of a query, or of a saved view. */
export type WrittenFilter = Omit<ConversationFilterInput, 'waiting' | 'unread'> & {
  waiting?: unknown
  unread?: unknown
  updated_after?: Date | undefined
}

/**
 * What a list shows to one caller: `me` is who asks, and tags are known by their names.
 * @throws DomainError `validation_failed` for `me` and `unread` of a key that acts as nobody
 */
export async function filterFor(
  trx: Trx,
  written: WrittenFilter,
  caller: Pick<Credential, 'user_id' | 'inbox_ids'>,
  now: Date,
): Promise<ConversationFilter> {
  const { status, inbox_id, priority, channel_id, contact_id, post_id, assignee_id, team_id, tag, sla, updated_after } =
    written
  const me = () => {
    if (caller.user_id) return caller.user_id
    throw new DomainError('validation_failed', 'This key acts as no person.')
  }
  return {
    status,
    inbox_ids: inboxesFor(caller, inbox_id),
    priority,
    channel_id,
    contact_id,
    post_id,
    assignee_id: assignee_id === 'none' ? null : assignee_id === 'me' ? me() : assignee_id,
    team_id: team_id === 'none' ? null : team_id,
    tag_ids: tag && (await tagIds(trx, tag)),
    attributes: written.attribute && (await findAttributeKeys(trx, written.attribute)),
    waiting: written.waiting ? true : undefined,
    sla: sla && { state: sla, now, risk_ms: AT_RISK_MS },
    unread_by: written.unread ? me() : undefined,
    updated_after,
    watched_by: written.watching && me(),
    mentioned: written.mentioned && me(),
    language: written.language === 'none' ? null : written.language,
  }
}

/** Of the inboxes that were asked for, those that the caller sees; undefined: every one of the workspace. */
function inboxesFor({ inbox_ids }: Pick<Credential, 'inbox_ids'>, asked: string[] | undefined): string[] | undefined {
  if (!inbox_ids) return asked
  return asked ? asked.filter(id => inbox_ids.includes(id)) : inbox_ids
}

/** @throws DomainError `validation_failed` naming the tag that is not there */
async function tagIds(trx: Trx, names: string[]): Promise<string[]> {
  const keys = names.map(searchKey)
  const found = new Map((await listTagsByKey(trx, keys)).map(tag => [tag.name_key, tag.id]))
  return keys.map((key, place) => {
    const id = found.get(key)
    if (!id) throw new DomainError('validation_failed', `There is no tag "${names[place]}".`)
    return id
  })
}

/**
 * Refuses a filter that could never list anything, before it is saved.
 * @throws DomainError `validation_failed`
 */
export async function refuseUnknown(trx: Trx, written: WrittenFilter, caller: Credential): Promise<void> {
  const { inbox_id, channel_id, contact_id, post_id, assignee_id, team_id, tag, attribute } = written
  await refuseUnknownNames(trx, 'inbox', inbox_id, caller)
  await refuseUnknownNames(trx, 'channel', [channel_id], caller)
  await refuseUnless('contact', contact_id, id => findContact(trx, id))
  await refuseUnless('post', post_id, async id => (await sees(trx, caller, 'post', id)) && findPost(trx, id))
  await refuseUnknownNames(trx, 'user', [assignee_id], caller)
  await refuseUnknownNames(trx, 'team', [team_id], caller)
  if (tag) await tagIds(trx, tag)
  if (attribute) await findAttributeKeys(trx, attribute)
}
