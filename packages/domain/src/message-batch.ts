import type { ActionVerb } from './capabilities.ts'
import type { SendState } from './message.ts'

/** What is done to many messages at once: the first two here, the others on their networks. */
export const BATCH_ACTIONS = ['dismiss', 'undismiss', 'hide', 'unhide', 'like', 'unlike', 'delete'] as const
export type BatchAction = (typeof BATCH_ACTIONS)[number]
export type BatchVerb = Exclude<BatchAction, 'dismiss' | 'undismiss'>

export const BATCH_STATES = ['running', 'finished'] as const
export type BatchState = (typeof BATCH_STATES)[number]

/**
 * What became of one message of a batch. done: the batch changed it, or queued that for its network · unchanged: it was
 * so already · refused: with a code that says why · pending: its turn has not come.
 */
export const ITEM_RESULTS = ['pending', 'done', 'unchanged', 'refused'] as const
export type ItemResult = (typeof ITEM_RESULTS)[number]

const OPPOSITES = {
  dismiss: 'undismiss',
  undismiss: 'dismiss',
  hide: 'unhide',
  unhide: 'hide',
  like: 'unlike',
  unlike: 'like',
} as const satisfies Partial<Record<BatchAction, BatchAction>>

/** What takes an action back; undefined where nothing does. */
export function oppositeOf(action: BatchAction): BatchAction | undefined {
  return action === 'delete' ? undefined : OPPOSITES[action]
}

/** Whether an action is done on the network. */
export function isNetworkAction(action: BatchAction): action is BatchVerb {
  return action !== 'dismiss' && action !== 'undismiss'
}

/** The verbs that set the same mark of a message, one way or the other. */
export function verbsBeside(verb: BatchVerb): BatchVerb[] {
  return verb === 'delete' ? [verb] : [verb, OPPOSITES[verb]]
}

/** What a network has accepted of us for a message, and since when. */
export type MessageMarks = { hidden_at: Date | null; liked_at: Date | null; deleted_at: Date | null }

/** An action of the ledger, as far as it decides what a message is like. */
export type LedgerAction = {
  id: string
  verb: ActionVerb
  state: SendState
  created_at: Date
  done_at: Date | null
  /** Null: nothing is done about it by itself any more. */
  next_attempt_at: Date | null
}

/** Which mark a verb sets, and whether it sets or takes it away. */
const MARKS = {
  hide: ['hidden_at', true],
  unhide: ['hidden_at', false],
  like: ['liked_at', true],
  unlike: ['liked_at', false],
  delete: ['deleted_at', true],
} as const satisfies Record<BatchVerb, [keyof MessageMarks, boolean]>

/**
 * Whether a message is already as the verb makes it, or will be.
 * @param latest the last action beside it that was neither rejected nor cancelled
 */
export function isAlready(verb: BatchVerb, message: MessageMarks, latest: LedgerAction | undefined): boolean {
  if (latest && latest.state !== 'sent' && latest.next_attempt_at) return latest.verb === verb
  const [mark, set] = MARKS[verb]
  return (message[mark] !== null) === set
}

/**
 * What is to be done to take back what a batch did on a network. cancel: it has not gone out · reverse: do the opposite ·
 * nothing: the network refused it, so nothing came of it · changed_since: somebody has done something else.
 */
export type WayBack = 'cancel' | 'reverse' | 'nothing' | 'changed_since'

/**
 * @param did what the batch was to do
 * @param action what it queued; of the opposite verb: what it took back before that went out
 * @param latest the last action beside it that was neither rejected nor cancelled
 */
export function wayBack(
  did: BatchVerb,
  action: LedgerAction,
  message: MessageMarks,
  latest: LedgerAction | undefined,
): WayBack {
  if (action.verb !== did) {
    const later = latest && latest.created_at > action.created_at
    return action.state === 'cancelled' && !later ? 'reverse' : 'changed_since'
  }
  if (action.state === 'rejected') return 'nothing'
  if (latest?.id !== action.id) return 'changed_since'
  if (action.state === 'queued') return 'cancel'
  const [mark, set] = MARKS[did]
  const left = set ? action.done_at : null
  const asLeft = action.state !== 'sent' || message[mark]?.getTime() === left?.getTime()
  return asLeft ? 'reverse' : 'changed_since'
}
