import type { ActionOutcome, ConnectedChannel, ConnectorContext, OutgoingAction } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { idIn, type MastodonAnswer, type MastodonCall } from './client.ts'
import { statusEntity } from './entities.ts'
import { withMentions } from './prepare.ts'
import { replyContext } from './reply-context.ts'
import { failed, refusal, rejected } from './send.ts'
import { MastodonSession } from './session.ts'

/**
 * Likes, takes back, deletes, edits. Each may be done again: a post that is gone already counts as deleted.
 * @throws SendRefused
 */
export async function act(
  channel: ConnectedChannel,
  action: OutgoingAction,
  context: ConnectorContext,
): Promise<ActionOutcome> {
  const { verb, target } = action
  const path = `/api/v1/statuses/${idIn(target.external_id)}`
  const session = new MastodonSession(channel, context)
  if (verb === 'hide' || verb === 'unhide') throw new SendRefused('Posts of others cannot be hidden on Mastodon')
  if ((verb === 'delete' || verb === 'edit') && !target.from_us)
    throw new SendRefused('Only posts of this account can be changed')
  if (verb === 'edit' && !action.text?.trim()) throw new SendRefused('The new text is empty')
  try {
    const call = verb === 'edit' ? await editCall(session, path, action) : callOf(verb, path)
    if ('ok' in call) return gone(call) ? rejected('The post is not there any more') : refusal(call, context)
    context.assertInTime()
    const answer = await session.call(call)
    if (answer.ok || (verb === 'delete' && gone(answer))) return { outcome: 'sent', accepted_at: context.now() }
    return gone(answer) ? rejected('The post is not there any more') : refusal(answer, context)
  } catch (error) {
    return failed(error, context)
  }
}

function callOf(verb: 'like' | 'unlike' | 'delete', path: string): MastodonCall {
  if (verb === 'delete') return { method: 'DELETE', path }
  return { method: 'POST', path: `${path}/${verb === 'like' ? 'favourite' : 'unfavourite'}` }
}

/** An edit replaces all of a post: what it leaves out, its files and its warning, would be taken off. */
async function editCall(
  session: MastodonSession,
  path: string,
  { target, text }: OutgoingAction,
): Promise<MastodonCall | MastodonAnswer> {
  const answer = await session.call({ path })
  const status = answer.ok ? statusEntity.safeParse(answer.body).data : undefined
  if (!status) return answer
  const { data: told } = replyContext.safeParse(target.reply_context)
  const mentions = told?.mentions ?? status.mentions.map(({ acct }) => acct)
  return {
    method: 'PUT',
    path,
    json: {
      status: withMentions(text!, mentions),
      spoiler_text: status.spoiler_text ?? '',
      sensitive: status.sensitive ?? false,
      media_ids: status.media_attachments.map(({ id }) => id),
    },
  }
}

const gone = ({ status, error }: MastodonAnswer) => error !== null && (status === 404 || status === 410)
