import { createHash } from 'node:crypto'
import MailComposer from 'nodemailer/lib/mail-composer'
import type { Mailbox } from './stored-mail.ts'

/** A file of a mail. */
export type MailFile = { filename: string | null; media_type: string; content: Buffer }

export type MailContent = {
  message_id: string
  from: Mailbox
  to: Mailbox[]
  cc: Mailbox[]
  reply_to: string | null
  subject: string
  in_reply_to: string | null
  references: string | null
  date: Date
  text: string
  files: MailFile[]
  headers: Record<string, string>
}

/**
 * The bytes of a mail, the same for the same content. Blind recipients are never in it: what is composed is sent as it
 * is, headers and all.
 */
export async function composeMail(content: MailContent): Promise<Buffer> {
  const composer = new MailComposer({
    messageId: `<${content.message_id}>`,
    from: content.from,
    to: content.to,
    cc: content.cc,
    ...(content.reply_to ? { replyTo: content.reply_to } : {}),
    subject: content.subject,
    ...(content.in_reply_to ? { inReplyTo: `<${content.in_reply_to}>` } : {}),
    ...(content.references ? { references: content.references } : {}),
    date: content.date,
    text: content.text,
    headers: content.headers,
    attachments: content.files.map(({ filename, media_type, content }) => ({
      filename: filename ?? false,
      contentType: media_type,
      content,
    })),
    // Otherwise random: the same mail, composed again, would be another.
    baseBoundary: createHash('sha256').update(content.message_id).digest('hex').slice(0, 24),
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return composer.compile().build()
}
