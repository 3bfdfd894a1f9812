import { checkTemplate, refuseUnlistedReason } from '@parley/core'
import { type Credential, findSavedReply, sees, type Trx } from '@parley/db'
import type { ConversationAction, RuleCondition } from '@parley/domain'
import { refuseUnknownNames, refuseUnless } from './refuse-unknown.ts'

/**
 * Refuses actions that could never be done, before they are saved or begun. What goes later is refused one by one.
 * @throws DomainError `validation_failed`
 */
export async function refuseUnknownActions(trx: Trx, actions: ConversationAction[], caller: Credential): Promise<void> {
  for (const action of actions) {
    if (action.type === 'add_note') checkTemplate(action.body)
    if (action.type === 'dismiss') await refuseUnlistedReason(trx, action.reason)
    if (action.type === 'assign') await refuseUnknownNames(trx, 'user', [action.assignee_id], caller)
    if (action.type === 'set_team') await refuseUnknownNames(trx, 'team', [action.team_id], caller)
    if (action.type === 'add_tag' || action.type === 'remove_tag')
      await refuseUnknownNames(trx, 'tag', [action.tag], caller)
    if (action.type !== 'reply') continue
    await refuseUnless('saved reply', action.saved_reply_id, async id => {
      if (!(await sees(trx, caller, 'saved reply', id))) return undefined
      const reply = await findSavedReply(trx, id)
      return reply && !reply.archived_at
    })
  }
}

/** The same for what a rule looks at. */
export async function refuseUnknownCondition(trx: Trx, condition: RuleCondition, caller: Credential): Promise<void> {
  const { all = [], any = [], not, inbox_id, channel_id, assignee_id, team_id, tag, post_id } = condition
  await refuseUnknownNames(trx, 'inbox', inbox_id, caller)
  await refuseUnknownNames(trx, 'channel', channel_id, caller)
  await refuseUnknownNames(trx, 'user', assignee_id, caller)
  await refuseUnknownNames(trx, 'team', team_id, caller)
  await refuseUnknownNames(trx, 'tag', tag, caller)
  await refuseUnknownNames(trx, 'post', post_id, caller)
  for (const inner of [...all, ...any, ...(not ? [not] : [])]) await refuseUnknownCondition(trx, inner, caller)
}
