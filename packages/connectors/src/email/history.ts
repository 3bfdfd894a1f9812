import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, HistoryPage } from '../connector.ts'
import { openFolder, withImap } from './imap.ts'
import { foldersOf } from './poll.ts'
import { readMails, searchUids } from './read-mails.ts'
import { accountOf } from './settings.ts'

const historyCursor = z
  .object({ path: z.string().nullable(), uid_validity: z.string().nullable(), before_uid: z.int().nullable() })
  .catch({ path: null, uid_validity: null, before_uid: null })

/**
 * One page of a folder's mails back to `since`, then the next folder. A folder that was made anew meanwhile is read
 * from its end again.
 * @throws ChannelAuthError, NetworkUnavailable
 */
export async function readHistory(
  channel: ConnectedChannel,
  since: Date,
  cursor: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<HistoryPage> {
  const account = accountOf(channel)
  const at = historyCursor.parse(cursor ?? {})
  return withImap(channel, context, async client => {
    const folders = await foldersOf(client, account)
    const index = at.path === null ? 0 : folders.findIndex(({ path }) => path === at.path)
    const folder = folders[index]
    if (!folder) return { events: [], cursor: null, oldest_at: null }
    const uid_validity = String((await openFolder(client, folder.path)).uidValidity)
    const before = uid_validity === at.uid_validity ? at.before_uid : null
    const uids = (await searchUids(client, { since })).filter(uid => before === null || uid < before).toReversed()
    const { mails, read } = await readMails(client, { ...folder, uid_validity }, uids, account, context)
    // SINCE knows days, not times.
    const wanted = mails.filter(({ internal_date }) => internal_date >= since)
    const next = folders[index + 1]
    const rest = read.length < uids.length
    return {
      events: wanted.map(({ event }) => event),
      cursor: rest
        ? { path: folder.path, uid_validity, before_uid: read.at(-1)! }
        : next
          ? { path: next.path, uid_validity: null, before_uid: null }
          : null,
      oldest_at: wanted.length > 0 ? new Date(Math.min(...wanted.map(mail => mail.internal_date.getTime()))) : null,
    }
  })
}
