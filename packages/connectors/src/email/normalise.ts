import { createHash } from 'node:crypto'
import type { ConnectorAttachment, ConnectorEvent, ConnectorMessage } from '@parley/contracts'
import { comparableSubject, hasReplyPrefix } from '@parley/domain'
import { z } from 'zod'
import { MalformedPayload } from '../errors.ts'
import { given, storable } from '../text/storable.ts'
import { written } from '../text/written.ts'
import { detailOf, isOurs, isUnread, normaliseAddress } from './addresses.ts'
import { isReplyToken, replyOf, tokenOf } from './message-id.ts'
import { splitReply } from './reply-text.ts'
import { type Mailbox, type StoredMail, storedMail } from './stored-mail.ts'

const DAY_MS = 86_400_000
const MAX_HINTS = 50
/** Line breaks would end a header, and marks of direction make a text read as another. */
const UNSEEN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

const UNREAD_TEXTS = {
  too_large: 'This e-mail is larger than what is read here. It is in the mailbox.',
  unreadable: 'This e-mail could not be read. It is in the mailbox.',
  encrypted: 'This e-mail is encrypted. It is in the mailbox.',
}

/**
 * Describes a mail kept by `poll`.
 * @throws MalformedPayload
 */
export function normaliseMail(payload: unknown, received_at: Date): ConnectorEvent {
  const parsed = storedMail.safeParse(payload)
  if (!parsed.success) throw new MalformedPayload(z.prettifyError(parsed.error), { cause: parsed.error })
  const mail = parsed.data
  const by_us = mail.sent || (mail.from !== null && isOurs(mail.from.address, mail.ours))
  if (by_us && !mail.sent) return { type: 'ignored', reason: 'Our own mail came back: a loop, or a copy to ourselves.' }
  if (mail.bounce && !by_us) return bounceOf(mail)
  return messageOf(mail, by_us, received_at)
}

function bounceOf({ bounce, internal_date }: StoredMail): ConnectorEvent {
  const { message_id, recipient, reason, permanent } = bounce!
  return {
    type: 'bounce',
    external_id: storable(message_id),
    send_token: replyOf(message_id) ?? null,
    recipient: given(recipient),
    reason: storable(reason),
    permanent,
    occurred_at: internal_date,
  }
}

function messageOf(mail: StoredMail, by_us: boolean, received_at: Date): ConnectorMessage {
  const external_id = storable(mail.message_id)
  const occurred_at = new Date(Math.min(Date.parse(mail.internal_date), received_at.getTime()))
  const { quoted, ...body } = bodyOf(mail)
  const author = mail.from
  return {
    type: 'message',
    external_id,
    thread_key: threadKey(mail),
    parent_external_id: given(mail.in_reply_to[0] ?? mail.references.findLast(id => !tokenOf(id))),
    kind: 'email',
    visibility: 'private',
    author: {
      // Without a usable address nobody can tell two writers apart, so each is somebody of their own.
      external_id: author ? normaliseAddress(author.address) : `unknown:${external_id}`,
      handle: author && storable(author.address),
      display_name: author && oneLine(author.name),
      avatar_url: null,
    },
    ...body,
    quoted_text: quoted,
    subject: oneLine(mail.subject),
    permalink: null,
    occurred_at: occurred_at.toISOString(),
    // A mail has one version. Its copies share the time in it, as long as that can be true.
    version_at: (mail.date && isNear(mail.date, occurred_at) ? new Date(mail.date) : occurred_at).toISOString(),
    from_us: by_us,
    send_token: by_us ? (replyOf(mail.message_id) ?? null) : null,
    reply_context: contextOf(mail),
    attachments: mail.attachments.map(attachmentOf),
    automatic: !by_us && mail.automatic,
    sender_verified: by_us ? null : mail.sender_verified,
    thread_hints: hintsOf(mail, by_us, occurred_at),
  }
}

/** The same for all mails of a thread, from the mail alone: the first it refers to, or itself. */
function threadKey({ message_id, in_reply_to, references }: StoredMail): string {
  return storable([...references, ...in_reply_to].find(id => !tokenOf(id)) ?? message_id)
}

function bodyOf(mail: StoredMail): Pick<ConnectorMessage, 'text' | 'html' | 'text_marks'> & { quoted: string | null } {
  if (mail.unread) return { ...written({ text: UNREAD_TEXTS[mail.unread] }), quoted: null }
  const whole = written({ text: mail.text?.trim() ? mail.text : null, html: mail.html })
  const { text, quoted } = splitReply(whole.text, mail.reply_delimiter)
  return { ...whole, text: text.trim(), quoted: quoted === null ? null : written({ text: quoted }).text }
}

/** What an answer needs: whom it goes to, what it refers to. */
function contextOf(mail: StoredMail): Record<string, unknown> {
  const others = (list: Mailbox[]) => list.filter(({ address }) => !isOurs(address, mail.ours)).map(cleanMailbox)
  const back = mail.reply_to.length > 0 ? mail.reply_to : mail.from ? [mail.from] : []
  return {
    message_id: storable(mail.message_id),
    references: [...(mail.references.length > 0 ? mail.references : mail.in_reply_to)].slice(-MAX_HINTS).map(storable),
    subject: oneLine(mail.subject),
    // Of our own: to whom it went.
    to: others(mail.sent ? mail.to : back),
    cc: others(mail.sent ? mail.cc : [...mail.to, ...mail.cc]),
    unread_address: back.some(({ address }) => isUnread(address)),
  }
}

function hintsOf(mail: StoredMail, by_us: boolean, occurred_at: Date): NonNullable<ConnectorMessage['thread_hints']> {
  const recipients = [...mail.to, ...mail.cc].map(({ address }) => address)
  const details = [...mail.delivered_to, ...recipients].flatMap(address => detailOf(address, mail.ours) ?? [])
  const ids = [...mail.in_reply_to, ...mail.references.toReversed()]
  const tokens = [...details.filter(isReplyToken), ...ids.flatMap(id => tokenOf(id) ?? [])]
  const people = [...(by_us ? [] : [mail.from?.address ?? '']), ...recipients].filter(
    address => address && !isOurs(address, mail.ours),
  )
  // Anybody can claim to be a customer and know what a subject was; only a vouched-for sender continues by it.
  const continues =
    mail.sender_verified === true && !by_us && (hasReplyPrefix(mail.subject ?? '') || /^\s*>/m.test(mail.text ?? ''))
  return {
    reply_tokens: unique(tokens),
    references: unique(ids.filter(id => !tokenOf(id)).map(storable)),
    participants: unique(people.map(address => storable(normaliseAddress(address)))),
    subject: continues ? comparableSubject(mail.subject) : null,
    written_at: occurred_at.toISOString(),
    content_hash: createHash('sha256')
      .update(`${normaliseAddress(mail.from?.address ?? '')}\n${mail.text ?? mail.html ?? ''}`)
      .digest('hex')
      .slice(0, 16),
  }
}

function attachmentOf(part: StoredMail['attachments'][number]): ConnectorAttachment {
  const name = part.filename?.split(/[/\\]/).at(-1)
  return {
    external_id: part.part,
    url: null,
    blob_key: part.blob_key,
    media_type: given(part.media_type),
    filename: name ? oneLine(name) : null,
    alt_text: null,
    byte_size: part.byte_size,
    inline: part.inline,
  }
}

const cleanMailbox = ({ address, name }: Mailbox): Mailbox => ({
  address: storable(address),
  name: oneLine(name) ?? '',
})
const oneLine = (text: string | null) => given(text?.replace(UNSEEN, ' ').trim())
const isNear = (date: string, at: Date) => Math.abs(Date.parse(date) - at.getTime()) <= 2 * DAY_MS
const unique = (values: string[]) => [...new Set(values)].slice(0, MAX_HINTS)
