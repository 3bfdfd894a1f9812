import type { ImapFlow } from 'imapflow'
import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, PollPage, ReceivedEvent } from '../connector.ts'
import { FolderMissing, openFolder, withImap } from './imap.ts'
import { PAGE_MAILS, readMails, searchUids } from './read-mails.ts'
import { findSentFolder } from './sent-folder.ts'
import { accountOf, type EmailAccount } from './settings.ts'

/** When a folder is another than it was, so much of it is read again: what is known already changes nothing. */
const RESCAN_MS = 14 * 86_400_000

/** How far a folder is read. UIDs mean something under their validity alone; both are text, as IMAP's numbers may grow. */
const place = z.object({ path: z.string(), uid_validity: z.string(), last_uid: z.string() })
export type FolderPlace = z.infer<typeof place>
const pollCursor = z.object({ folders: z.array(place) }).catch({ folders: [] })
/** What `identify` saw: from there on mail is read. */
const connectedPlaces = z.object({ folders: z.array(place) }).catch({ folders: [] })

/** Folders to read, and which of them is Sent. */
export async function foldersOf(
  client: ImapFlow,
  { settings }: EmailAccount,
): Promise<{ path: string; sent: boolean }[]> {
  const sent_path = await findSentFolder(client, settings)
  const folders = settings.folders.map(path => ({ path, sent: path === sent_path }))
  const more = settings.follow_sent && sent_path !== undefined && !settings.folders.includes(sent_path)
  return more ? [...folders, { path: sent_path, sent: true }] : folders
}

/**
 * One page of what is new, folder by folder. UIDs are the only order: mails come with any date. Nothing is marked as
 * read, which is for the people who use the mailbox.
 * @throws ChannelAuthError, NetworkUnavailable
 */
export async function poll(
  channel: ConnectedChannel,
  cursor: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<PollPage> {
  const account = accountOf(channel)
  const before = pollCursor.parse(cursor ?? {}).folders
  const atStart = connectedPlaces.parse(channel.network_facts).folders
  return withImap(channel, context, async client => {
    const places: FolderPlace[] = []
    const events: ReceivedEvent[] = []
    let more = false
    let failed: PollPage['failed']
    for (const { path, sent } of await foldersOf(client, account)) {
      const known = before.find(folder => folder.path === path)
      // A page is full: the folders after this one have their turn in the next.
      if (more || events.length >= PAGE_MAILS) {
        more = true
        if (known) places.push(known)
        continue
      }
      try {
        const page = await readFolder(
          client,
          path,
          sent,
          known ?? atStart.find(folder => folder.path === path),
          account,
          context,
        )
        places.push(page.place)
        events.push(...page.events)
        more = page.more
      } catch (error) {
        if (!(error instanceof FolderMissing)) throw error
        // What the other folders have must not wait for this one.
        failed = error
        if (known) places.push(known)
      }
    }
    const page = { events, cursor: { folders: places }, more }
    return failed ? { ...page, failed } : page
  })
}

async function readFolder(
  client: ImapFlow,
  path: string,
  sent: boolean,
  known: FolderPlace | undefined,
  account: EmailAccount,
  context: ConnectorContext,
): Promise<{ place: FolderPlace; events: ReceivedEvent[]; more: boolean }> {
  const { uidValidity, uidNext } = await openFolder(client, path)
  const uid_validity = String(uidValidity)
  const end = uidNext - 1
  const last = await startAfter(client, known, uid_validity, end, context)
  if (last >= end) return { place: { path, uid_validity, last_uid: String(last) }, events: [], more: false }
  // `9:*` is also the last mail when that is the 8th: the ends of a range have no order (RFC 9051 §9, seq-range).
  const uids = (await searchUids(client, { uid: `${last + 1}:*` })).filter(uid => uid > last)
  const { mails, read } = await readMails(client, { path, uid_validity, sent }, uids, account, context)
  const last_uid = String(read.at(-1) ?? last)
  return {
    place: { path, uid_validity, last_uid },
    events: mails.map(({ event }) => event),
    more: read.length < uids.length,
  }
}

async function startAfter(
  client: ImapFlow,
  known: FolderPlace | undefined,
  uid_validity: string,
  end: number,
  context: ConnectorContext,
): Promise<number> {
  if (!known) return end
  if (known.uid_validity === uid_validity) return Number(known.last_uid)
  const since = new Date(context.now().getTime() - RESCAN_MS)
  const [oldest] = await searchUids(client, { since })
  return oldest === undefined ? end : oldest - 1
}
