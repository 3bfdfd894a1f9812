import type { FetchMessageObject, ImapFlow } from 'imapflow'
import type { ConnectorContext, ReceivedEvent } from '../connector.ts'
import { NetworkUnavailable } from '../errors.ts'
import { normaliseAddress, usableAddress } from './addresses.ts'
import { messageIdsIn } from './message-id.ts'
import { type Envelope, type Found, parseMail, syntheticId, unreadMail } from './parse-mail.ts'
import type { EmailAccount } from './settings.ts'
import type { Mailbox, StoredMail } from './stored-mail.ts'

export const PAGE_MAILS = 25
const PAGE_BYTES = 16 * 1024 * 1024
/** A mail is held in memory whole while it is read. */
const MAX_MAIL_BYTES = 25 * 1024 * 1024

export type Folder = { path: string; uid_validity: string; sent: boolean }
type ReadMail = { uid: number; internal_date: Date; event: ReceivedEvent }

/**
 * Reads mails of the folder that is open, in the order given, until a page is full. Sizes are asked for first, so that
 * nothing is fetched that is not read. Mails that have gone meanwhile are left out.
 */
export async function readMails(
  client: ImapFlow,
  folder: Folder,
  uids: number[],
  account: EmailAccount,
  context: ConnectorContext,
): Promise<{ mails: ReadMail[]; read: number[] }> {
  const page = uids.slice(0, PAGE_MAILS)
  if (page.length === 0) return { mails: [], read: [] }
  const query = { uid: true, size: true, internalDate: true, envelope: true }
  const listed = new Map((await client.fetchAll(page.join(','), query, { uid: true })).map(item => [item.uid, item]))
  const mails: ReadMail[] = []
  const read: number[] = []
  let bytes = 0
  for (const uid of page) {
    const item = listed.get(uid)
    const size = item?.size ?? 0
    const fits = size <= MAX_MAIL_BYTES
    if (fits && bytes > 0 && bytes + size > PAGE_BYTES) break
    read.push(uid)
    if (!item) continue
    bytes += fits ? size : 0
    const mail = await readMail(client, folder, item, fits, account, context)
    if (mail) mails.push({ uid, internal_date: new Date(mail.internal_date), event: eventOf(mail) })
  }
  return { mails, read }
}

async function readMail(
  client: ImapFlow,
  { path, uid_validity, sent }: Folder,
  item: FetchMessageObject,
  fits: boolean,
  account: EmailAccount,
  context: ConnectorContext,
): Promise<StoredMail | undefined> {
  const internal_date = new Date(item.internalDate ?? context.now())
  const found: Found = { folder: path, uid_validity, uid: item.uid, sent, byte_size: item.size ?? 0, internal_date }
  if (!fits) return unreadMail(found, account, envelopeOf(item), 'too_large')
  const [fetched] = await client.fetchAll(String(item.uid), { source: true }, { uid: true })
  return fetched?.source ? parseMail(fetched.source, found, account, context.storeBlob) : undefined
}

/**
 * All mails of a mailbox are one lane: which conversation one belongs to is told by what came before it. The same id
 * from another writer is another mail.
 */
function eventOf(mail: StoredMail): ReceivedEvent {
  const writer = normaliseAddress(mail.from?.address ?? '')
  const dedup_key = `${mail.message_id} ${writer}${mail.sent ? ' sent' : ''}`
  return { dedup_key, thread_key: null, payload: mail }
}

function envelopeOf({ envelope, size, internalDate }: FetchMessageObject): Envelope {
  const mailboxes = (list: { name?: string | undefined; address?: string | undefined }[] | undefined): Mailbox[] =>
    (list ?? []).flatMap(({ name, address }) => {
      const usable = usableAddress(address)
      return usable ? [{ address: usable, name: name ?? '' }] : []
    })
  const written = new Date(envelope?.date ?? Number.NaN)
  const date = Number.isNaN(written.getTime()) ? null : written.toISOString()
  const from = mailboxes(envelope?.from)[0] ?? null
  const id = messageIdsIn(envelope?.messageId)[0]
  return {
    message_id:
      id ?? syntheticId([from?.address ?? '', date ?? '', envelope?.subject ?? '', String(size), String(internalDate)]),
    from,
    to: mailboxes(envelope?.to),
    cc: mailboxes(envelope?.cc),
    reply_to: mailboxes(envelope?.replyTo),
    subject: envelope?.subject ?? null,
    in_reply_to: messageIdsIn(envelope?.inReplyTo),
    date,
  }
}

/** UIDs in ascending order. A server that says no is not a folder without mails. */
export async function searchUids(client: ImapFlow, query: Parameters<ImapFlow['search']>[0]): Promise<number[]> {
  const found = await client.search(query, { uid: true })
  if (!found) throw new NetworkUnavailable('The IMAP server refused to search.', null)
  return found.toSorted((a, b) => a - b)
}
