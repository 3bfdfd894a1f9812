import { z } from 'zod'
import type { ActionOutcome, ConnectedChannel, ConnectorContext, OutgoingAction } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { timeOfId } from '../time-of-id.ts'
import { genericSettings } from './schemas.ts'
import { acceptedAt, signedPost } from './signed-post.ts'

const answerBody = z.looseObject({ accepted_at: z.iso.datetime({ offset: true }).nullish() }).catch({})

/**
 * POSTs what is to be done to a message, signed. Any 2xx says that it is done. A repeat carries the same webhook-id and
 * says the same: an answer that was lost is asked for again.
 * @throws SendRefused when the channel's settings no longer declare it
 */
export async function act(
  channel: ConnectedChannel,
  action: OutgoingAction,
  context: ConnectorContext,
): Promise<ActionOutcome> {
  const { action_id, verb, target, text } = action
  const { actions = [] } = genericSettings.parse(channel.settings)
  if (!actions.includes(verb)) throw new SendRefused(`This channel has no way to ${verb} a message any more`)
  const body = JSON.stringify({
    type: 'action.requested',
    timestamp: timeOfId(action_id).toISOString(),
    data: {
      action_id,
      verb,
      external_id: target.external_id,
      text,
      context: target.reply_context?.context ?? null,
    },
  })
  const request = { webhook_id: action_id, body }
  const taken = await signedPost(channel, { setting: 'action_url', what: 'actions' }, request, context)
  if (taken.outcome !== 'taken') return taken
  const { accepted_at } = answerBody.parse(taken.body ?? {})
  return { outcome: 'sent', accepted_at: acceptedAt(taken, accepted_at, context.now()) }
}
