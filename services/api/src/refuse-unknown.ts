import {
  type Credential,
  findChannel,
  findInbox,
  findPost,
  findTeam,
  findUser,
  listTagsByKey,
  sees,
  seesInbox,
  type Trx,
} from '@parley/db'
import { DomainError, searchKey } from '@parley/domain'

/** What a filter, a condition or an action can name. */
type Known = 'inbox' | 'channel' | 'user' | 'team' | 'tag' | 'post'

const FIND: Record<Known, (trx: Trx, name: string, caller: Credential) => Promise<unknown>> = {
  inbox: async (trx, id, caller) => seesInbox(caller, id) && findInbox(trx, id),
  channel: async (trx, id, caller) => (await sees(trx, caller, 'channel', id)) && findChannel(trx, id),
  post: async (trx, id, caller) => (await sees(trx, caller, 'post', id)) && findPost(trx, id),
  user: findUser,
  team: findTeam,
  tag: async (trx, name) => (await listTagsByKey(trx, [searchKey(name)]))[0],
}

/**
 * Refuses names of what is not there, or what the caller does not see.
 * @throws DomainError `validation_failed` for the first of them
 */
export async function refuseUnknownNames(
  trx: Trx,
  what: Known,
  names: readonly (string | null | undefined)[] | undefined,
  caller: Credential,
): Promise<void> {
  for (const name of names ?? []) await refuseUnless(what, name, name => FIND[what](trx, name, caller))
}

/** The same for what is found in another way. Nobody, and who asks, are no names; a tag may be called so. */
export async function refuseUnless(
  what: string,
  name: string | null | undefined,
  find: (name: string) => Promise<unknown>,
): Promise<void> {
  if (name == null || (what !== 'tag' && (name === 'me' || name === 'none')) || (await find(name))) return
  throw new DomainError('validation_failed', `There is no ${what} ${name}.`)
}
