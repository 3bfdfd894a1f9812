import {
  type Channel,
  findLatestAction,
  type KeptDismissal,
  lockMessageAction,
  type Message,
  type MessageBatch,
  type PendingItem,
  type Trx,
  type UndoneItem,
} from '@parley/db'
import {
  type BatchVerb,
  type ChannelCapabilities,
  DomainError,
  isAlready,
  isNetworkAction,
  oppositeOf,
  verbsBeside,
  wayBack,
} from '@parley/domain'
import { cancelAction } from '../cancel-action.ts'
import { dismissMessage, undismissMessage } from '../dismiss-message.ts'
import { queueAction } from '../queue-action.ts'
import { actorOf } from './batch-event.ts'
import type { ItemOutcome } from './record-results.ts'

type Did =
  | { result: 'done'; action_id?: string; dismissal?: KeptDismissal }
  | { result: 'unchanged' }
  | { result: 'refused'; code: string; detail: string }

type Turn = {
  trx: Trx
  batch: MessageBatch
  item: PendingItem
  message: Message
  capabilitiesOf: (channel: Channel) => ChannelCapabilities
  now: Date
}

const UNCHANGED: Did = { result: 'unchanged' }
const CHANGED_SINCE: Did = {
  result: 'refused',
  code: 'changed_since',
  detail: 'It is not as the batch left it: somebody has changed it since.',
}
const NOT_FOUND: Did = { result: 'refused', code: 'not_found', detail: 'There is no such message.' }

/** Does to one message what its batch asks for. The caller holds the lock of its conversation. What is refused is told. */
export async function actOnItem(
  trx: Trx,
  batch: MessageBatch,
  item: PendingItem,
  message: Message | undefined,
  capabilitiesOf: (channel: Channel) => ChannelCapabilities,
  now: Date,
): Promise<ItemOutcome> {
  const { message_id, dismissal } = item
  const act = () => {
    if (!message) return NOT_FOUND
    const turn = { trx, batch, item, message, capabilitiesOf, now }
    return item.undone ? takeBack(turn, item.undone) : begin(turn)
  }
  const did = await Promise.resolve()
    .then(act)
    .catch((error: unknown): Did => {
      if (!(error instanceof DomainError)) throw error
      return { result: 'refused', code: error.code, detail: error.message }
    })
  return { message_id, code: null, detail: null, action_id: null, dismissal, ...did }
}

async function begin(turn: Turn): Promise<Did> {
  const { trx, batch, message } = turn
  const { action } = batch
  if (!isNetworkAction(action)) return judge(turn)
  const latest = await findLatestAction(trx, message.id, verbsBeside(action))
  return isAlready(action, message, latest) ? UNCHANGED : queue(turn, action)
}

/** Dismisses a message, or takes its dismissal back. */
async function judge({ trx, batch, item, message, now }: Turn): Promise<Did> {
  const dismiss = batch.action === 'dismiss'
  if ((message.dismissed_at !== null) === dismiss) return UNCHANGED
  const ids = { conversation_id: message.conversation_id, message_id: message.id }
  if (dismiss) {
    const dismissal = item.dismissal ?? { reason: batch.reason!, as: batch.dismissed_as! }
    await dismissMessage(trx, ids, dismissal, actorOf(batch), now, batch.id)
    return { result: 'done' }
  }
  await undismissMessage(trx, ids, actorOf(batch), now, batch.id)
  return { result: 'done', dismissal: { reason: message.dismissed_reason!, as: message.dismissed_as! } }
}

async function queue({ trx, batch, message, capabilitiesOf, now }: Turn, verb: BatchVerb): Promise<Did> {
  const ids = { conversation_id: message.conversation_id, message_id: message.id }
  const draft = { ...ids, verb, actor: actorOf(batch), batch_id: batch.id }
  const { id: action_id } = await queueAction(trx, draft, capabilitiesOf, now)
  return { result: 'done', action_id }
}

/** Takes back what another batch did to this message, where it still is as that left it. */
async function takeBack(turn: Turn, undone: UndoneItem): Promise<Did> {
  const { trx, batch, message, now } = turn
  const did = oppositeOf(batch.action)!
  if (!isNetworkAction(did)) {
    const { dismissed_at, undismissed_at } = message
    const judged_at = did === 'dismiss' ? dismissed_at : dismissed_at ? null : undismissed_at
    return judged_at?.getTime() === undone.at!.getTime() ? judge(turn) : CHANGED_SINCE
  }
  // Locked before the message: so does the worker that begins with it.
  const action = (await lockMessageAction(trx, undone.action_id!))!
  const way = wayBack(did, action, message, await findLatestAction(trx, message.id, verbsBeside(did)))
  switch (way) {
    case 'cancel': {
      const ids = { message_id: message.id, action_id: action.id }
      await cancelAction(trx, ids, actorOf(batch), now, batch.id)
      return { result: 'done', action_id: action.id }
    }
    case 'reverse':
      return queue(turn, batch.action as BatchVerb)
    case 'nothing':
      return UNCHANGED
    case 'changed_since':
      return CHANGED_SINCE
    default:
      return way satisfies never
  }
}
