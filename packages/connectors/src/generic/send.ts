import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, OutgoingReply, PreparedSend, SendOutcome } from '../connector.ts'
import { storable } from '../text/storable.ts'
import { acceptedAt, signedPost } from './signed-post.ts'

const prepared = z.strictObject({ webhook_id: z.string(), body: z.string() })
const text = z.string().transform(storable)
const answerBody = z.looseObject({
  external_id: text.pipe(z.string().min(1).max(1024)),
  // Only the id says whether it was published; what else is wrong must not cast doubt on that.
  accepted_at: z.iso.datetime({ offset: true }).nullish().catch(null),
  permalink: text.pipe(z.string().max(2048)).nullish().catch(null),
})

/** The bytes are made once; only timestamp and signature belong to an attempt. Files are fetched by who needs them. */
export async function prepare(_: ConnectedChannel, reply: OutgoingReply, context: ConnectorContext) {
  const { message_id, text, visibility, thread_key, in_reply_to, attachments } = reply
  const body = JSON.stringify({
    type: 'reply.requested',
    timestamp: context.now().toISOString(),
    data: {
      message_id,
      thread_id: thread_key,
      in_reply_to: in_reply_to?.external_id ?? null,
      text,
      visibility,
      context: in_reply_to?.reply_context?.context ?? null,
      attachments: attachments.map(({ read: _, ...file }) => file),
    },
  })
  return { webhook_id: message_id, body }
}

/** POSTs the reply, signed. */
export async function send(
  channel: ConnectedChannel,
  request: PreparedSend,
  context: ConnectorContext,
): Promise<SendOutcome> {
  const target = { setting: 'reply_url', what: 'replies' } as const
  const taken = await signedPost(channel, target, prepared.parse(request), context)
  if (taken.outcome !== 'taken') return taken
  const answer = answerBody.safeParse(taken.body)
  if (!answer.success) return { outcome: 'unknown', reason: `Answered ${taken.status} without an external_id.` }
  const { external_id, accepted_at, permalink } = answer.data
  return {
    outcome: 'sent',
    external_id,
    accepted_at: acceptedAt(taken, accepted_at, context.now()),
    permalink: permalink ?? null,
  }
}
