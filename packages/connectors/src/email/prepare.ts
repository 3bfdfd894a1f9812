import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, OutgoingReply } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { normaliseAddress, withDetail } from './addresses.ts'
import { maxMailBytes } from './limits.ts'
import { composeMail } from './mail-content.ts'
import { ownMessageId, referencesHeader, threadId } from './message-id.ts'
import { accountOf, type EmailSettings } from './settings.ts'

const mailbox = z.object({ address: z.string().min(3), name: z.string() })

/** What `normalise` and core keep with a mail for its answer. */
const replyContext = z.object({
  message_id: z.string().min(1),
  references: z.array(z.string()),
  subject: z.string().nullable(),
  to: z.array(mailbox),
  cc: z.array(mailbox),
  unread_address: z.boolean().optional(),
  /** Of the conversation, known to its participants alone. */
  reply_token: z.string().nullable().optional(),
})

/** A mail as it will leave, whole: a repeat sends the same bytes, and the same bytes go into the Sent folder. */
export const preparedMail = z.object({
  message_id: z.string(),
  // Base64. Not checked as such: a pattern over so many megabytes would outgrow its stack.
  raw: z.string().min(1),
  envelope: z.object({ from: z.string(), to: z.array(z.string()).min(1) }),
  /** What answers it again, ours or the customer's. */
  reply_context: replyContext,
})
export type PreparedMail = z.infer<typeof preparedMail>

/**
 * Composes the mail, once.
 * @throws SendRefused for the agent
 */
export async function prepare(
  channel: ConnectedChannel,
  reply: OutgoingReply,
  _context: ConnectorContext,
): Promise<PreparedMail> {
  const { settings } = accountOf(channel)
  const answered = contextOf(reply)
  const [to, ...others] = recipientsOf(answered, settings)
  if (!to) throw new SendRefused('There is nobody to answer: the e-mail has no usable address')
  if (reply.visibility !== 'private') throw new SendRefused('Replies by e-mail are private')
  if (reply.text.trim() === '' && reply.attachments.length === 0) throw new SendRefused('The reply is empty')
  const { address, display_name, recipient_delimiter, reply_delimiter } = settings
  const token = answered.reply_token ?? null
  const message_id = ownMessageId(reply.message_id, address)
  const thread = token ? [threadId(token, address)] : []
  // As their program would have written it: what they answered, then their mail.
  const references = [...answered.references.filter(id => !thread.includes(id)), answered.message_id]
  const files = []
  const limit = maxMailBytes(channel)
  let bytes = 0
  for (const { filename, media_type, byte_size, read } of reply.attachments) {
    bytes += byte_size * 1.37
    if (bytes > limit) throw new SendRefused(tooLarge(limit))
    files.push({ filename: filename && singleLine(filename), media_type, content: await read() })
  }
  const subject = answered.subject ?? ''
  const raw = await composeMail({
    message_id,
    from: { address, name: display_name },
    to: [to],
    cc: others,
    reply_to: token && recipient_delimiter ? withDetail(address, token) : null,
    subject: singleLine(/^\s*re\s*:/i.test(subject) ? subject : `Re: ${subject}`.trim()),
    in_reply_to: singleLine(answered.message_id),
    references: singleLine(referencesHeader([...thread, ...references])),
    date: reply.queued_at,
    text: reply_delimiter ? `${reply_delimiter}\n\n${reply.text}` : reply.text,
    files,
    headers: { 'X-Parley-Message': reply.message_id },
  })
  if (raw.length > limit) throw new SendRefused(tooLarge(limit))
  return {
    message_id,
    raw: raw.toString('base64'),
    envelope: { from: address, to: [to, ...others].map(recipient => recipient.address) },
    reply_context: { ...answered, message_id, references: [...thread, ...references], to: [to], cc: others },
  }
}

function contextOf({ in_reply_to }: OutgoingReply): z.infer<typeof replyContext> {
  const context = replyContext.safeParse(in_reply_to?.reply_context)
  if (!context.success) throw new SendRefused('There is no e-mail to answer')
  return context.data
}

function recipientsOf({ to, cc }: z.infer<typeof replyContext>, { reply_to_all }: EmailSettings) {
  const all = reply_to_all ? [...to, ...cc] : to.slice(0, 1)
  const seen = new Set<string>()
  return all.filter(({ address }) => !seen.has(normaliseAddress(address)) && seen.add(normaliseAddress(address)))
}

const singleLine = (text: string) => text.replace(/\p{Cc}+/gu, ' ')
const tooLarge = (limit: number) =>
  `The e-mail would be larger than the ${Math.floor(limit / 1024 / 1024)} MB that the mail server takes`
