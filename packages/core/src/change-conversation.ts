import {
  appendEvents,
  type Conversation,
  findWaiting,
  lockConversation,
  type NewEvent,
  type Trx,
  updateConversation,
} from '@parley/db'
import {
  type Actor,
  type AttributeChanges,
  type ConversationPriority,
  type ConversationStatus,
  DomainError,
  NotFound,
} from '@parley/domain'
import { checkedAttributes, indexChanges, withAttributes } from './change-attributes.ts'
import { keepClaim } from './claim-lease.ts'
import { creditOf } from './credit.ts'
import { followWithClocks } from './sla/settle-clocks.ts'
import { cancelSpamWaits, restoreSpamWaits } from './spam-waits.ts'

const CLOCKED = ['status', 'priority', 'language'] as const
const LONGEST_SNOOZE_MS = 366 * 24 * 3_600_000

export type ConversationChange = {
  status?: ConversationStatus | undefined
  /** With status `snoozed`. */
  snoozed_until?: Date | undefined
  priority?: ConversationPriority | undefined
  subject?: string | null | undefined
  /** BCP 47. What a person says stands; null leaves it to what is found out again. */
  language?: string | null | undefined
  /** Null takes one away; those that are not named stay. */
  attributes?: AttributeChanges | undefined
}

/**
 * Changes a conversation by hand, if it is still in the version the caller saw. Resolving and snoozing answer nobody: a
 * customer who waits goes on waiting, and their clock goes on running. Only spam cancels waits, until it is none any more.
 * @throws NotFound, or DomainError `version_mismatch`, `validation_failed` for a snooze that ends before it begins,
 *   or attributes that are unknown or of another type
 */
export async function changeConversation(
  trx: Trx,
  id: string,
  change: ConversationChange,
  expected_version: number,
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  if (conversation.version !== expected_version) {
    throw new DomainError('version_mismatch', 'The conversation has changed since you read it.')
  }
  await keepClaim(trx, conversation, actor, now)
  return applyChange(trx, conversation, change, actor, now)
}

/** The same for a conversation that the caller has locked. What is so already changes nothing and is not logged. */
export async function applyChange(
  trx: Trx,
  conversation: Conversation,
  change: ConversationChange,
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  if (change.snoozed_until) refuseTime(change.snoozed_until, now)
  const { attributes: asked, ...fields } = change
  const changed = changedFields(conversation, withSource(fields))
  const present = conversation.attributes as Record<string, unknown>
  const attributes = asked ? await checkedAttributes(trx, 'conversation', present, asked) : {}
  const keys = Object.keys(attributes)
  if (Object.keys(changed).length + keys.length === 0) return conversation
  const previous: Record<string, unknown> = Object.fromEntries(
    Object.keys(changed).map(field => [field, conversation[field as keyof Conversation]]),
  )
  if (keys.length > 0)
    previous.attributes = Object.fromEntries(keys.map(key => [key, Object.hasOwn(present, key) ? present[key] : null]))
  const type = eventType(conversation.status, changed.status)
  const { id } = conversation
  const credit = type === 'conversation.resolved' ? creditOf(conversation) : {}
  const data = { ...changed, ...(keys.length > 0 ? { attributes } : {}), ...credit }
  const waits = await moveWaitsWithStatus(trx, conversation, changed.status, actor, now)
  await appendEvents(trx, [{ type, at: now, actor, conversation_id: id, data, previous }, ...(waits ?? [])])
  const waiting = waits ? await findWaiting(trx, id) : {}
  const resolved_at =
    changed.status === undefined ? conversation.resolved_at : changed.status === 'resolved' ? now : null
  await indexChanges(trx, id, attributes)
  const given = keys.length > 0 ? { attributes: JSON.stringify(withAttributes(present, attributes)) } : {}
  const row = await updateConversation(trx, id, { ...changed, ...waiting, ...given, resolved_at, updated_at: now })
  const clocked = CLOCKED.filter(field => field in changed)
  return clocked.length > 0 ? followWithClocks(trx, row, clocked, actor, now) : row
}

/** What to log of the waits when a conversation becomes spam or stops being it; undefined: they stay as they are. */
async function moveWaitsWithStatus(
  trx: Trx,
  conversation: Conversation,
  status: ConversationStatus | undefined,
  actor: Actor,
  now: Date,
): Promise<NewEvent[] | undefined> {
  if (status === undefined || (status === 'spam') === (conversation.status === 'spam')) return undefined
  if (status === 'spam') return cancelSpamWaits(trx, conversation, actor, now)
  return restoreSpamWaits(trx, conversation, actor, now)
}

function refuseTime(until: Date, now: Date): void {
  if (until > now && until.getTime() - now.getTime() <= LONGEST_SNOOZE_MS) return
  throw new DomainError('validation_failed', 'snoozed_until must lie ahead, at most a year.')
}

type Fields = Omit<ConversationChange, 'attributes'> & Pick<Partial<Conversation>, 'language_source'>

/** Who says the language that somebody already had found out makes it theirs. */
function withSource(change: Omit<ConversationChange, 'attributes'>): Fields {
  if (change.language === undefined) return change
  return { ...change, language_source: change.language === null ? null : 'person' }
}

function changedFields(conversation: Conversation, change: Fields): Fields {
  const same = (a: unknown, b: unknown) => (a instanceof Date && b instanceof Date ? +a === +b : a === b)
  const given = Object.entries(change).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.filter(([field, value]) => !same(value, conversation[field as keyof Conversation])))
}

function eventType(before: ConversationStatus, after: ConversationStatus | undefined): NewEvent['type'] {
  if (after === 'resolved') return 'conversation.resolved'
  if (after === 'snoozed') return 'conversation.snoozed'
  return after === 'open' && before === 'resolved' ? 'conversation.reopened' : 'conversation.updated'
}
