/** A customer's message that nobody has answered, and until when its network takes an answer. */
export type WindowedMessage = { id: string; said_at: Date; reply_until: Date }

/** A time in which their network takes an answer to somebody: from the message that opened it. */
export type ReplyWindow = { message_id: string; opened_at: Date; closes_at: Date }

/**
 * The windows that these messages of one customer open, ascending: what is said within one makes it longer, what is said
 * after it has closed opens another. A message that came too late for any answer opens none; of those of one moment the
 * first that is given does.
 */
export function replyWindows(messages: WindowedMessage[]): ReplyWindow[] {
  const windows: ReplyWindow[] = []
  const ascending = messages
    .filter(({ said_at, reply_until }) => said_at < reply_until)
    .sort((a, b) => a.said_at.getTime() - b.said_at.getTime())
  for (const { id, said_at, reply_until } of ascending) {
    const last = windows.at(-1)
    if (!last || said_at > last.closes_at) windows.push({ message_id: id, opened_at: said_at, closes_at: reply_until })
    else if (reply_until > last.closes_at) last.closes_at = reply_until
  }
  return windows
}
