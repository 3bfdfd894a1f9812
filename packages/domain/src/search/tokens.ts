import { refused } from './refusal.ts'

export const SEARCH_FIELDS = [
  'from',
  'channel',
  'inbox',
  'status',
  'tag',
  'assignee',
  'has',
  'before',
  'after',
] as const
export type SearchField = (typeof SEARCH_FIELDS)[number]

export type SearchToken =
  | { kind: 'word'; text: string; excluded: boolean }
  | { kind: 'or' }
  | { kind: 'filter'; field: SearchField; value: string }

// A minus, a field, and then a phrase or what stands before the next white space or quotation mark.
const TOKEN = new RegExp(`\\s*(-?)(?:(${SEARCH_FIELDS.join('|')}):)?(?:"([^"]*)"|([^\\s"]*))`, 'iuy')

/**
 * Cuts a search into its words. What looks like a field and is none of ours is a word, such as 12:30 or https://…
 * @throws DomainError `validation_failed`
 */
export function tokensOf(given: string): SearchToken[] {
  // Keyboards and editors make these of the plain one.
  const text = given.replace(/[“”„‟«»]/g, '"').trim()
  const tokens: SearchToken[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex
    const [, minus, field, phrase, bare] = TOKEN.exec(text)!
    if (text[TOKEN.lastIndex] === '"' && phrase === undefined && text.indexOf('"', TOKEN.lastIndex + 1) < 0) {
      throw refused('A quotation mark is not closed.')
    }
    if (TOKEN.lastIndex === from) throw refused('A quotation mark is not closed.')
    const token = tokenOf(minus === '-', field?.toLowerCase() as SearchField | undefined, phrase, bare ?? '')
    if (token) tokens.push(token)
  }
  return tokens
}

function tokenOf(
  excluded: boolean,
  field: SearchField | undefined,
  phrase: string | undefined,
  bare: string,
): SearchToken | undefined {
  if (field) {
    const value = (phrase ?? bare).trim()
    if (excluded) throw refused(`${field}: cannot be excluded; a minus stands before words and phrases alone.`)
    if (value === '') throw refused(`${field}: is followed by what it is to be, without a space between them.`)
    return { kind: 'filter', field, value }
  }
  if (phrase === undefined && !excluded && /^or$/i.test(bare)) return { kind: 'or' }
  const text = (phrase ?? bare).trim()
  // Punctuation alone is in no index.
  return /[\p{L}\p{N}]/u.test(text) ? { kind: 'word', text, excluded } : undefined
}
