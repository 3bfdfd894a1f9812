import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, HistoryPage } from '../connector.ts'
import { NetworkUnavailable } from '../errors.ts'
import { readNotifications, uniqueEvents } from './notifications.ts'
import { openSession } from './session.ts'

const historyCursor = z.object({ page_cursor: z.string().nullable() }).catch({ page_cursor: null })

/**
 * One page of the account's notifications back to `since`. The list is in the order of these times, so the first
 * older one ends it.
 * @throws ChannelAuthError, XrpcFailure
 */
export async function readHistory(
  channel: ConnectedChannel,
  since: Date,
  cursor: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<HistoryPage> {
  const { page_cursor } = historyCursor.parse(cursor)
  const session = await openSession(channel, context)
  const page = await readNotifications(session, page_cursor, context)
  const repeats = page.cursor !== null && page.cursor === page_cursor && !page.restarted
  if (repeats && page.oldest) throw new NetworkUnavailable('The list of notifications repeats itself.', null)
  const passed = page.oldest !== null && page.oldest < since
  return {
    events: uniqueEvents(page.items.filter(({ at }) => at === null || at >= since)),
    cursor: page.cursor === null || passed || repeats ? null : { page_cursor: page.cursor },
    oldest_at: page.oldest,
  }
}
