import { z } from 'zod'

const mailbox = z.object({ address: z.string(), name: z.string() })
export type Mailbox = z.infer<typeof mailbox>

/** What a delivery report says of a mail of ours. */
const bounce = z.object({
  message_id: z.string(),
  recipient: z.string().nullable(),
  reason: z.string(),
  permanent: z.boolean(),
})
export type Bounce = z.infer<typeof bounce>

const attachment = z.object({
  /** Its place among the parts of the mail. */
  part: z.string(),
  filename: z.string().nullable(),
  media_type: z.string(),
  byte_size: z.int(),
  content_id: z.string().nullable(),
  inline: z.boolean(),
  /** Null where the bytes were not kept. */
  blob_key: z.string().nullable(),
})
export type StoredAttachment = z.infer<typeof attachment>

/**
 * A mail as the ledger keeps it: read once, when it was fetched, so that describing it needs neither the mailbox nor a
 * parser. Texts are bounded; files are elsewhere.
 */
export const storedMail = z.object({
  folder: z.string(),
  uid_validity: z.string(),
  uid: z.int(),
  /** Found in the Sent folder. */
  sent: z.boolean(),
  /** The mailbox's own addresses at that time. */
  ours: z.array(z.string()),
  byte_size: z.int(),
  internal_date: z.iso.datetime(),
  /** As the sender wrote it. */
  date: z.iso.datetime().nullable(),
  /** Without brackets; made from the mail where it has none. */
  message_id: z.string(),
  in_reply_to: z.array(z.string()),
  references: z.array(z.string()),
  from: mailbox.nullable(),
  reply_to: z.array(mailbox),
  to: z.array(mailbox),
  cc: z.array(mailbox),
  /** Where it was delivered, with whatever detail that address had. */
  delivered_to: z.array(z.string()),
  subject: z.string().nullable(),
  text: z.string().nullable(),
  html: z.string().nullable(),
  /** The line under which our own answer stood, at that time. */
  reply_delimiter: z.string().nullable(),
  attachments: z.array(attachment),
  automatic: z.boolean(),
  sender_verified: z.boolean().nullable(),
  bounce: bounce.nullable(),
  /** Why it could not be read here. */
  unread: z.enum(['too_large', 'unreadable', 'encrypted']).nullable(),
})
export type StoredMail = z.infer<typeof storedMail>
