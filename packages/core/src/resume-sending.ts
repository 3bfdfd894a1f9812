import { type Channel, hastenReplies, listOldReplies, type OldReply, type Trx, updateChannel } from '@parley/db'

/** More than anybody looks through; the rest is as old. */
const MAX_TOLD = 100

/**
 * Lets the replies of a channel go that waited while it could not send: at once, in their order. Returns those that
 * waited longer than the channel's `old_reply_seconds`: what was right then may not be so any more, and whoever lets
 * them go is told which they are.
 */
export async function resumeSending(trx: Trx, channel: Channel, now: Date): Promise<OldReply[]> {
  await updateChannel(trx, channel.id, { send_failures: 0, send_resume_at: null })
  await hastenReplies(trx, channel.id, now)
  const before = new Date(now.getTime() - channel.old_reply_seconds * 1000)
  return listOldReplies(trx, channel.id, before, MAX_TOLD)
}

/** As the log tells it. */
export function oldRepliesTold(old_replies: OldReply[]): Record<string, unknown> {
  return old_replies.length > 0 ? { old_replies: old_replies.map(({ message_id }) => message_id) } : {}
}
