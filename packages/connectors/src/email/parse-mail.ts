import { createHash } from 'node:crypto'
import { type AddressObject, type Attachment, type EmailAddress, type ParsedMail, simpleParser } from 'mailparser'
import { usableAddress } from './addresses.ts'
import { isAutomatic } from './automatic.ts'
import { readBounce } from './delivery-report.ts'
import { type MailHeaders, mailHeaders } from './mail-headers.ts'
import { messageIdsIn } from './message-id.ts'
import { senderVerified } from './sender-trust.ts'
import type { EmailAccount } from './settings.ts'
import type { Mailbox, StoredAttachment, StoredMail } from './stored-mail.ts'

const MAX_PART_CHARACTERS = 1024 * 1024
const MAX_ADDRESSES = 100
const MAX_ATTACHMENTS = 100
const MAX_LINE = 2_000
/** What a returned mail of ours needs of a report: its headers, not its files. */
const REPORT_BYTES = 256 * 1024
const ID_BODY_BYTES = 4 * 1024

/** Where a mail was found. */
export type Found = Pick<StoredMail, 'folder' | 'uid_validity' | 'uid' | 'sent' | 'byte_size'> & { internal_date: Date }

type KeepBytes = ((bytes: Buffer) => Promise<string>) | undefined

/**
 * Reads a mail into what the ledger keeps. Throws only when keeping a file fails: what cannot be read is a mail that
 * says so.
 */
export async function parseMail(
  raw: Buffer,
  found: Found,
  account: EmailAccount,
  keep: KeepBytes,
): Promise<StoredMail> {
  let parsed: ParsedMail
  try {
    parsed = await simpleParser(raw, {
      keepCidLinks: true,
      keepDeliveryStatus: true,
      skipTextToHtml: true,
      maxHtmlLengthToParse: 4 * MAX_PART_CHARACTERS,
    })
  } catch {
    return unreadMail(found, account, { ...NOTHING_KNOWN, message_id: syntheticId([raw]) }, 'unreadable')
  }
  const headers = mailHeaders(parsed.headerLines)
  const from = mailboxes(parsed.from)[0] ?? null
  const date = headers.first('date') === undefined ? undefined : believableDate(parsed.date, headers.first('date')!)
  const report = parsed.attachments.find(part => part.contentType === 'message/delivery-status')
  const encrypted = /^\s*(multipart\/encrypted|application\/(x-)?pkcs7-mime)\b/i.test(
    headers.first('content-type') ?? '',
  )
  const html = typeof parsed.html === 'string' ? parsed.html : null
  const empty = !parsed.text?.trim() && !html && parsed.attachments.length === 0
  return {
    ...placeOf(found),
    ours: account.ours,
    date: date ?? null,
    message_id:
      messageIdsIn(headers.first('message-id'))[0] ??
      syntheticId([from?.address ?? '', date ?? '', parsed.subject ?? '', bodyOf(raw).subarray(0, ID_BODY_BYTES)]),
    // From the lines as they came: mailparser makes ids of whatever words stand there.
    in_reply_to: messageIdsIn(headers.first('in-reply-to')),
    references: messageIdsIn(headers.first('references')),
    from,
    reply_to: mailboxes(parsed.replyTo),
    to: mailboxes(parsed.to),
    cc: mailboxes(parsed.cc),
    delivered_to: deliveredTo(headers),
    subject: parsed.subject?.slice(0, MAX_LINE) ?? null,
    text: parsed.text?.slice(0, MAX_PART_CHARACTERS) ?? null,
    html: html?.slice(0, MAX_PART_CHARACTERS) ?? null,
    reply_delimiter: account.settings.reply_delimiter,
    attachments: await keepAttachments(parsed.attachments, keep),
    automatic: isAutomatic(headers, from?.address),
    sender_verified: senderVerified(headers, account.settings.authserv_id, from?.address),
    bounce:
      readBounce(headers, report?.content.toString('utf8') ?? null, raw.toString('latin1', 0, REPORT_BYTES)) ?? null,
    unread: encrypted ? 'encrypted' : empty && bodyOf(raw).toString('latin1').trim() !== '' ? 'unreadable' : null,
  }
}

/** What the server tells of a mail without opening it. */
export type Envelope = Pick<
  StoredMail,
  'message_id' | 'from' | 'to' | 'cc' | 'reply_to' | 'subject' | 'in_reply_to' | 'date'
>

const NOTHING_KNOWN = { from: null, to: [], cc: [], reply_to: [], subject: null, in_reply_to: [], date: null }

/** A mail that is not read here and says so. */
export function unreadMail(
  found: Found,
  { ours }: EmailAccount,
  envelope: Envelope,
  unread: StoredMail['unread'],
): StoredMail {
  return {
    ...placeOf(found),
    ours,
    ...envelope,
    references: [],
    delivered_to: [],
    text: null,
    html: null,
    reply_delimiter: null,
    attachments: [],
    automatic: false,
    sender_verified: null,
    bounce: null,
    unread,
  }
}

const placeOf = ({ folder, uid_validity, uid, sent, byte_size, internal_date }: Found) => ({
  folder,
  uid_validity,
  uid,
  sent,
  byte_size,
  internal_date: internal_date.toISOString(),
})

/** The same for the same mail, wherever it is found. */
export function syntheticId(parts: (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return `sha256.${hash.digest('hex')}`
}

/** mailparser reads what is no date as the present time. */
function believableDate(parsed: Date | undefined, written: string): string | undefined {
  if (!parsed || Number.isNaN(parsed.getTime()) || Number.isNaN(Date.parse(written.replace(/\([^()]*\)/g, ''))))
    return undefined
  return parsed.getUTCFullYear() > 9999 || parsed.getUTCFullYear() < 1970 ? undefined : parsed.toISOString()
}

function bodyOf(raw: Buffer): Buffer {
  const [crlf, lf] = [raw.indexOf('\r\n\r\n'), raw.indexOf('\n\n')]
  if (crlf === -1 && lf === -1) return Buffer.alloc(0)
  return crlf !== -1 && (lf === -1 || crlf < lf) ? raw.subarray(crlf + 4) : raw.subarray(lf + 2)
}

function mailboxes(header: AddressObject | AddressObject[] | undefined): Mailbox[] {
  const entries = (Array.isArray(header) ? header : header ? [header] : []).flatMap(({ value }) => value)
  const single = (entry: EmailAddress): EmailAddress[] => (entry.group ? entry.group.flatMap(single) : [entry])
  return entries
    .flatMap(single)
    .flatMap(({ address, name }) => {
      const usable = usableAddress(address)
      return usable ? [{ address: usable, name: name.slice(0, MAX_LINE) }] : []
    })
    .slice(0, MAX_ADDRESSES)
}

function deliveredTo(headers: MailHeaders): string[] {
  const values = ['delivered-to', 'x-original-to', 'envelope-to'].flatMap(name => headers.all(name))
  const addresses = values
    .flatMap(value => value.split(','))
    .flatMap(value => usableAddress(value.replace(/[<>]/g, '')) ?? [])
  return [...new Set(addresses)].slice(0, MAX_ADDRESSES)
}

async function keepAttachments(attachments: Attachment[], keep: KeepBytes): Promise<StoredAttachment[]> {
  const kept: StoredAttachment[] = []
  for (const [index, part] of attachments.slice(0, MAX_ATTACHMENTS).entries()) {
    if (part.contentType === 'message/delivery-status') continue
    kept.push({
      part: part.partId ?? String(index + 1),
      filename: part.filename?.slice(0, MAX_LINE) ?? null,
      media_type: part.contentType.slice(0, 255),
      byte_size: part.size,
      content_id: part.cid?.slice(0, MAX_LINE) ?? null,
      inline: part.related === true,
      blob_key: keep && part.size > 0 ? await keep(part.content) : null,
    })
  }
  return kept
}
