import {
  type Channel,
  claimBatch,
  countUnderWay,
  listPendingItems,
  lockPlacesOf,
  type Message,
  type MessageBatch,
  type PendingItem,
  type Trx,
} from '@parley/db'
import { type ChannelCapabilities, isNetworkAction } from '@parley/domain'
import { actOnItem } from './act-on-item.ts'
import { type ItemOutcome, recordResults } from './record-results.ts'

/**
 * So many actions of a batch are on their way to a network at a time. A storm would otherwise stand in the queue before
 * whatever else goes out, and could not be stopped any more. As many as can be named are queued at once.
 */
const MAX_UNDER_WAY = 500

/** An action that a worker can be told of after the commit. One that was taken back is not due, and does no harm there. */
export type QueuedAction = { message_id: string; action_id: string }

/**
 * How a part ended. more: there is another · finished · waiting: the network has enough to do · taken: the batch has
 * finished, or another worker is at it.
 */
export type BatchPart = { ended: 'more' | 'finished' | 'waiting' | 'taken'; queued: QueuedAction[] }

/**
 * Does the next messages of a batch, with their results in the same transaction: whoever dies leaves them as if they had
 * not been begun. Conversations are locked in the order of their ids.
 * @param hands is told which messages, for the case that this fails
 */
export async function advanceBatch(
  trx: Trx,
  id: string,
  limit: number,
  capabilitiesOf: (channel: Channel) => ChannelCapabilities,
  now: Date,
  hands: { message_ids: string[] },
): Promise<BatchPart> {
  hands.message_ids = []
  const batch = await claimBatch(trx, id)
  if (!batch) return { ended: 'taken', queued: [] }
  const room = await roomOf(trx, batch)
  if (room === 0) return { ended: 'waiting', queued: [] }
  const items = await listPendingItems(trx, batch, orderOf(batch), Math.min(limit, room))
  if (items.length === 0) throw new Error('a batch has fewer messages than it counts')
  hands.message_ids = items.map(item => item.message_id)
  const messages = await lockPlacesOf(trx, hands.message_ids)
  const outcomes = await actOnItems(items, messages, (item, message) =>
    actOnItem(trx, batch, item, message, capabilitiesOf, now),
  )
  const { state } = await recordResults(trx, batch, outcomes, now)
  const queued = outcomes.flatMap(({ message_id, action_id }) => (action_id ? { message_id, action_id } : []))
  return { ended: state === 'finished' ? 'finished' : 'more', queued }
}

/** From the newest on, a customer's wait is touched once: by the dismissal of what it began with. */
export const orderOf = ({ action }: MessageBatch) => (action === 'dismiss' ? 'desc' : 'asc')

async function roomOf(trx: Trx, { id, action }: MessageBatch): Promise<number> {
  if (!isNetworkAction(action)) return Number.POSITIVE_INFINITY
  return MAX_UNDER_WAY - (await countUnderWay(trx, id, MAX_UNDER_WAY))
}

/** One after the other within a conversation, side by side otherwise: their statements share round trips. */
async function actOnItems(
  items: PendingItem[],
  messages: Message[],
  act: (item: PendingItem, message: Message | undefined) => Promise<ItemOutcome>,
): Promise<ItemOutcome[]> {
  const known = new Map(messages.map(message => [message.id, message]))
  const lines = new Map<string | undefined, PendingItem[]>()
  for (const item of items) {
    const place = known.get(item.message_id)?.conversation_id
    lines.set(place, [...(lines.get(place) ?? []), item])
  }
  const outcomes = new Map<string, ItemOutcome>()
  const follow = async (line: PendingItem[]) => {
    for (const item of line) outcomes.set(item.message_id, await act(item, known.get(item.message_id)))
  }
  await Promise.all([...lines.values()].map(follow))
  return items.map(item => outcomes.get(item.message_id)!)
}
