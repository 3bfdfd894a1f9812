import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, HistoryPage } from '../connector.ts'
import { goodBody } from './client.ts'
import { notificationsAnswer, notificationsBody, olderCall, olderPage, readItems } from './notifications.ts'
import { MastodonSession } from './session.ts'
import { ourOf, placeAll } from './threads.ts'

const PAGE_SIZE = 40

const historyCursor = z
  .object({ page: z.string().nullable(), last_id: z.string().nullable() })
  .catch({ page: null, last_id: null })

/**
 * One page of the account's notifications back to `since`.
 * @throws ChannelAuthError, MastodonFailure
 */
export async function readHistory(
  channel: ConnectedChannel,
  since: Date,
  cursor: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<HistoryPage> {
  const { page, last_id } = historyCursor.parse(cursor)
  const session = new MastodonSession(channel, context)
  const answer = notificationsAnswer(await session.call(olderCall(page, PAGE_SIZE)))
  const items = readItems(goodBody(answer, notificationsBody, context.now()))
  const times = items.flatMap(({ place }) => (place?.at ? [place.at] : [])).sort()
  const [oldest] = times
  const wanted = items.filter(({ place }) => !place?.at || place.at >= since.toISOString())
  const placing = { session, context, our: ourOf(channel) }
  const newestFirst = wanted
  const placed = await placeAll(placing, newestFirst, { known: [], stuck: null })
  if (placed.failed) throw placed.failed
  // What there was no time for is where the next page begins.
  const reached = newestFirst.slice(0, placed.done)
  const partial = placed.done < newestFirst.length
  const last = (partial ? reached : items).findLast(item => item.place)?.place?.id ?? null
  const next = partial
    ? new URLSearchParams({ max_id: last ?? '' }).toString()
    : olderPage(answer, items, session.server_url)
  const ended = next === null || last === last_id || (oldest !== undefined && oldest < since.toISOString() && !partial)
  return {
    events: placed.events,
    cursor: ended ? null : { page: next, last_id: last },
    oldest_at: oldest === undefined ? null : new Date(oldest),
  }
}
