import { CONVERSATION_STATUSES, type ConversationStatus } from '../conversation.ts'
import { refused } from './refusal.ts'
import { type SearchToken, tokensOf } from './tokens.ts'

/** Words that have to be there together, and words that must not. A phrase counts as a word. */
export type SearchAlternative = { words: string[]; excluded: string[] }

/**
 * What somebody looks for. Of several alternatives one has to match, all of the filters, and of the values of one filter
 * one. Names stand here as they were typed. `before` is exclusive, `after` inclusive: both begin a day in UTC.
 */
export type SearchQuery = {
  alternatives: SearchAlternative[]
  from: string[]
  channel: string[]
  inbox: string[]
  tag: string[]
  assignee: string[]
  status: ConversationStatus[]
  has_attachment: boolean
  before: Date | undefined
  after: Date | undefined
}

const MAX_WORDS = 50
const MAX_PHRASE_WORDS = 20

/**
 * Reads a search as people write it: `refund -"store credit" or voucher from:ana status:open before:2026-03-01`.
 * @throws DomainError `validation_failed` for a text that cannot be meant, saying what is wrong with it
 */
export function parseSearch(text: string): SearchQuery {
  const query: SearchQuery = {
    alternatives: [],
    ...{ from: [], channel: [], inbox: [], tag: [], assignee: [], status: [] },
    has_attachment: false,
    before: undefined,
    after: undefined,
  }
  const tokens = tokensOf(text)
  const filters = tokens.filter(token => token.kind === 'filter')
  for (const { field, value } of filters) FILTERS[field](query, value)
  query.alternatives = alternativesOf(tokens.filter(token => token.kind !== 'filter'))
  if (query.alternatives.length === 0 && filters.length === 0) throw refused('There is no word to look for.')
  if (query.after && query.before && query.after >= query.before) throw refused('after: lies behind before:.')
  return query
}

/** The same in the words of PostgreSQL's websearch_to_tsquery; null when there are none. */
export function websearchText({ alternatives }: SearchQuery): string | null {
  if (alternatives.length === 0) return null
  return alternatives
    .map(({ words, excluded }) => [...words.map(word => `"${word}"`), ...excluded.map(word => `-"${word}"`)].join(' '))
    .join(' or ')
}

function alternativesOf(tokens: SearchToken[]): SearchAlternative[] {
  const alternatives: SearchAlternative[] = []
  let current: SearchAlternative = { words: [], excluded: [] }
  let count = 0
  for (const token of tokens) {
    if (token.kind === 'or') {
      alternatives.push(current)
      current = { words: [], excluded: [] }
    } else if (token.kind === 'word') {
      if (token.text.split(/[^\p{L}\p{N}]+/u).length > MAX_PHRASE_WORDS) {
        throw refused(`A phrase has at most ${MAX_PHRASE_WORDS} words.`)
      }
      count += 1
      ;(token.excluded ? current.excluded : current.words).push(token.text)
    }
  }
  if (count > MAX_WORDS) throw refused(`A search has at most ${MAX_WORDS} words and phrases.`)
  if (alternatives.length === 0 && count === 0) return []
  alternatives.push(current)
  if (alternatives.some(({ words }) => words.length === 0)) {
    throw refused(
      alternatives.length > 1
        ? 'On each side of "or" stands a word that is looked for.'
        : 'Besides words that must not be there, name one that must.',
    )
  }
  return alternatives
}

type Add = (query: SearchQuery, value: string) => void

const FILTERS: Record<(SearchToken & { kind: 'filter' })['field'], Add> = {
  from: (query, value) => query.from.push(value.replace(/^@/, '')),
  channel: (query, value) => query.channel.push(value),
  inbox: (query, value) => query.inbox.push(value),
  tag: (query, value) => query.tag.push(value),
  assignee: (query, value) => query.assignee.push(value),
  status: (query, value) => {
    const status = CONVERSATION_STATUSES.find(known => known === value.toLowerCase())
    if (!status) throw refused(`status: is one of ${CONVERSATION_STATUSES.join(', ')}.`)
    query.status.push(status)
  },
  has: (query, value) => {
    if (!/^attachments?$/i.test(value)) throw refused('has: is followed by attachment.')
    query.has_attachment = true
  },
  before: (query, value) => {
    if (query.before) throw refused('before: stands there twice.')
    query.before = dayOf('before', value)
  },
  after: (query, value) => {
    if (query.after) throw refused('after: stands there twice.')
    query.after = dayOf('after', value)
  },
}

/** The first instant of a day in UTC. */
function dayOf(field: string, value: string): Date {
  const date = new Date(`${value}T00:00:00Z`)
  const good = /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(date.getTime())
  // The 30th of February would be the 2nd of March.
  if (!good || date.toISOString().slice(0, 10) !== value || date.getTime() < 0) {
    throw refused(`${field}: is followed by a day since 1970 such as 2026-03-01.`)
  }
  return date
}
