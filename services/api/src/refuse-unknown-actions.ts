import { checkTemplate } from '@parley/core'
import {
  type Credential,
  findChannel,
  findInbox,
  findSavedReply,
  findTeam,
  findUser,
  listTagsByKey,
  sees,
  seesInbox,
  type Trx,
} from '@parley/db'
import { type ConversationAction, DomainError, type RuleCondition, searchKey } from '@parley/domain'

/**
 * Refuses actions that could never be done, before they are saved or begun. What goes later is refused one by one.
 * @throws DomainError `validation_failed`
 */
export async function refuseUnknownActions(trx: Trx, actions: ConversationAction[], caller: Credential): Promise<void> {
  for (const action of actions) {
    if (action.type === 'add_note') checkTemplate(action.body)
    if (action.type === 'assign') await known('user', action.assignee_id, id => findUser(trx, id))
    if (action.type === 'set_team') await known('team', action.team_id, id => findTeam(trx, id))
    if (action.type === 'add_tag' || action.type === 'remove_tag')
      await known('tag', action.tag, name => findTag(trx, name))
    if (action.type !== 'reply') continue
    await known('saved reply', action.saved_reply_id, async id => {
      if (!(await sees(trx, caller, 'saved reply', id))) return undefined
      const reply = await findSavedReply(trx, id)
      return reply && !reply.archived_at
    })
  }
}

/** The same for what a rule looks at. */
export async function refuseUnknownCondition(trx: Trx, condition: RuleCondition, caller: Credential): Promise<void> {
  const { all = [], any = [], not, inbox_id, channel_id, assignee_id = [], team_id = [], tag = [] } = condition
  await refuseUnknownInboxes(trx, inbox_id ?? [], caller)
  for (const id of channel_id ?? [])
    await known('channel', id, async id => (await sees(trx, caller, 'channel', id)) && findChannel(trx, id))
  for (const id of assignee_id) await known('user', id, id => findUser(trx, id))
  for (const id of team_id) await known('team', id, id => findTeam(trx, id))
  for (const name of tag) await known('tag', name, name => findTag(trx, name))
  for (const inner of [...all, ...any, ...(not ? [not] : [])]) await refuseUnknownCondition(trx, inner, caller)
}

export async function refuseUnknownInboxes(trx: Trx, ids: string[], caller: Credential): Promise<void> {
  for (const id of ids) await known('inbox', id, async id => seesInbox(caller, id) && findInbox(trx, id))
}

const findTag = async (trx: Trx, name: string) => (await listTagsByKey(trx, [searchKey(name)]))[0]

async function known(what: string, name: string | null, find: (name: string) => Promise<unknown>): Promise<void> {
  if (name === null || name === 'me' || (name === 'none' && what !== 'tag') || (await find(name))) return
  throw new DomainError('validation_failed', `There is no ${what} ${name}.`)
}
