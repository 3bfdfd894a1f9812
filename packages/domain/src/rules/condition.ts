import type { ChannelKind } from '../channel.ts'
import type { ConversationPriority, ConversationStatus } from '../conversation.ts'
import type { Disposition } from '../disposition.ts'
import { searchKey } from '../saved-reply.ts'
import { type AttributeCondition, isAttribute } from './attribute-condition.ts'
import { foldedText, hasWords } from './fold-text.ts'

/**
 * What a rule looks at: where its conversation stands, and what just happened. `assignee_id`, `team_id` null: nobody.
 * What is not known is null, and then nothing that is asked of it holds.
 */
export type RuleFacts = {
  event_type: string
  /** The fields that the event changed, of attributes also `attributes.tier`; and what status was there before. */
  changed: string[]
  previous_status: string | null
  inbox_id: string
  channel_id: string
  channel_kind: string
  status: ConversationStatus
  priority: ConversationPriority
  assignee_id: string | null
  team_id: string | null
  language: string | null
  /** As `searchKey` writes them. */
  tags: string[]
  do_not_contact: boolean
  waiting_seconds: number | null
  /** Of the conversation, and of the person who began it. */
  attributes: Record<string, unknown>
  contact_attributes: Record<string, unknown>
  /** What the conversation is on, and whether that surges now. */
  post_id: string | null
  post_surging: boolean
  /** Of the message that the event is about. */
  text: string | null
  first_message: boolean | null
  disposition: Disposition | null
  /** What triage found in it. */
  question: boolean | null
  sentiment: string | null
  kind: string | null
  proposed_priority: string | null
  proposed_disposition: string | null
}

/** Everything that is given has to hold; of a list, one of its values. An empty condition always holds. */
export type RuleCondition = {
  all?: RuleCondition[] | undefined
  any?: RuleCondition[] | undefined
  not?: RuleCondition | undefined
  event_type?: string[] | undefined
  changed?: string[] | undefined
  previous_status?: ConversationStatus[] | undefined
  inbox_id?: string[] | undefined
  channel_id?: string[] | undefined
  channel_kind?: ChannelKind[] | undefined
  status?: ConversationStatus[] | undefined
  priority?: ConversationPriority[] | undefined
  /** `none`: nobody. */
  assignee_id?: string[] | undefined
  team_id?: string[] | undefined
  /** `pt` is also `pt-BR`. */
  language?: string[] | undefined
  tag?: string[] | undefined
  do_not_contact?: boolean | undefined
  waiting_longer_than_seconds?: number | undefined
  /** By key; each has to be what is asked for. */
  attributes?: Record<string, AttributeCondition> | undefined
  contact_attributes?: Record<string, AttributeCondition> | undefined
  post_id?: string[] | undefined
  /** False: also where it is on no post. */
  post_surging?: boolean | undefined
  /** Anywhere in the text, whatever case and accents. */
  text_contains?: string[] | undefined
  /** As whole words, one behind the other. */
  text_has_words?: string[] | undefined
  first_message?: boolean | undefined
  disposition?: Disposition[] | undefined
  question?: boolean | undefined
  sentiment?: string[] | undefined
  kind?: string[] | undefined
  proposed_priority?: string[] | undefined
  proposed_disposition?: string[] | undefined
}
export type RuleField = Exclude<keyof RuleCondition, 'all' | 'any' | 'not'>

/** Whether a condition holds, and the place in it that decided so, as a JSON pointer; empty: all of it. */
export type Verdict = { holds: boolean; decided_by: string }

/** Judges a condition. Total: there is an answer for every condition and all facts. */
export function judge(condition: RuleCondition, facts: RuleFacts, at = ''): Verdict {
  for (const [field, wanted] of Object.entries(condition)) {
    if (wanted === undefined) continue
    const verdict = judgeField(field, wanted, facts, `${at}/${field}`)
    if (!verdict.holds) return verdict
  }
  return { holds: true, decided_by: at }
}

function judgeField(field: string, wanted: unknown, facts: RuleFacts, at: string): Verdict {
  if (field === 'not') {
    const inner = judge(wanted as RuleCondition, facts, at)
    return { holds: !inner.holds, decided_by: inner.decided_by }
  }
  if (field === 'attributes' || field === 'contact_attributes') {
    return judgeAttributes(wanted as Record<string, AttributeCondition>, facts[field], at)
  }
  if (field !== 'all' && field !== 'any') {
    return { holds: HOLDS[field as Plain](wanted as never, facts), decided_by: at }
  }
  for (const [place, inner] of (wanted as RuleCondition[]).entries()) {
    const verdict = judge(inner, facts, `${at}/${place}`)
    if (verdict.holds === (field === 'any')) return verdict
  }
  return { holds: field === 'all', decided_by: at }
}

function judgeAttributes(
  wanted: Record<string, AttributeCondition>,
  present: Record<string, unknown>,
  at: string,
): Verdict {
  // By a key such as `constructor` there is nothing either.
  const missed = Object.entries(wanted).find(
    ([key, one]) => !(Object.hasOwn(present, key) && isAttribute(one, present[key])),
  )
  return missed ? { holds: false, decided_by: `${at}/${missed[0]}` } : { holds: true, decided_by: at }
}

/** What a condition asks for, wherever in it that stands. */
export function fieldsOf({ all = [], any = [], not, ...fields }: RuleCondition): Set<RuleField> {
  const mine = Object.entries(fields).flatMap(([field, wanted]) => (wanted === undefined ? [] : (field as RuleField)))
  return new Set([...mine, ...[...all, ...any, ...(not ? [not] : [])].flatMap(inner => [...fieldsOf(inner)])])
}

const among = (wanted: string[], fact: string | null) => fact !== null && wanted.includes(fact)
const orNobody = (wanted: string[], fact: string | null) => wanted.includes(fact ?? 'none')

type Plain = Exclude<RuleField, 'attributes' | 'contact_attributes'>
const HOLDS: { [F in Plain]: (wanted: NonNullable<RuleCondition[F]>, facts: RuleFacts) => boolean } = {
  event_type: (wanted, { event_type }) => among(wanted, event_type),
  changed: (wanted, { changed }) => wanted.some(field => changed.includes(field)),
  previous_status: (wanted, { previous_status }) => among(wanted, previous_status),
  inbox_id: (wanted, { inbox_id }) => among(wanted, inbox_id),
  channel_id: (wanted, { channel_id }) => among(wanted, channel_id),
  channel_kind: (wanted, { channel_kind }) => among(wanted, channel_kind),
  status: (wanted, { status }) => among(wanted, status),
  priority: (wanted, { priority }) => among(wanted, priority),
  assignee_id: (wanted, { assignee_id }) => orNobody(wanted, assignee_id),
  team_id: (wanted, { team_id }) => orNobody(wanted, team_id),
  language: (wanted, { language }) =>
    language !== null && wanted.some(tag => language === tag || language.startsWith(`${tag}-`)),
  tag: (wanted, { tags }) => wanted.some(tag => tags.includes(searchKey(tag))),
  do_not_contact: (wanted, { do_not_contact }) => do_not_contact === wanted,
  waiting_longer_than_seconds: (wanted, { waiting_seconds }) => waiting_seconds !== null && waiting_seconds > wanted,
  post_id: (wanted, { post_id }) => among(wanted, post_id),
  post_surging: (wanted, { post_surging }) => post_surging === wanted,
  text_contains: (wanted, { text }) =>
    text !== null && wanted.some(part => foldedText(text).includes(foldedText(part))),
  text_has_words: (wanted, { text }) => text !== null && wanted.some(words => hasWords(text, words)),
  first_message: (wanted, { first_message }) => first_message === wanted,
  disposition: (wanted, { disposition }) => among(wanted, disposition),
  question: (wanted, { question }) => question === wanted,
  sentiment: (wanted, { sentiment }) => among(wanted, sentiment),
  kind: (wanted, { kind }) => among(wanted, kind),
  proposed_priority: (wanted, { proposed_priority }) => among(wanted, proposed_priority),
  proposed_disposition: (wanted, { proposed_disposition }) => among(wanted, proposed_disposition),
}
