/** A link, or an address of a person, from `start` up to `end`. Of a person `name` is who is meant on the server it names. */
export type Entity = { start: number; end: number } & ({ type: 'link' } | { type: 'mention'; name: string })

const LETTER = String.raw`[\p{L}\p{M}\p{N}]`
const LABEL = String.raw`${LETTER}(?:[\p{L}\p{M}\p{N}_-]*${LETTER})?`
const TOP_LEVEL = String.raw`(?:xn--[a-zA-Z0-9-]+|[a-zA-Z]{2,63}|(?:(?![a-zA-Z])\p{L}){2,63})`
const LINK = new RegExp(
  String.raw`(?<![a-zA-Z0-9@＠$#＃])[hH][tT][tT][pP][sS]?://(?:${LABEL}\.)+${TOP_LEVEL}(?::[0-9]+)?`,
  'gu',
)
const WORD = String.raw`[\p{L}\p{M}\p{Nd}\p{Pc}]`
const MENTION = new RegExp(
  String.raw`(?<![=/\p{L}\p{M}\p{Nd}\p{Pc}])@([a-zA-Z0-9_]+(?:[.-]+[a-zA-Z0-9_]+)*)(?:@${WORD}+(?:[.-]+${WORD}+)*)?`,
  'gu',
)

/**
 * The links with a scheme and the mentions of a text, in its order, none within another. As Mastodon finds them (its
 * twitter_regex.rb and MENTION_RE, read 2026-11-23), but for its list of top-level domains. None depends on what follows
 * it: a text that is cut outside of them has the same ones. Time grows with the length.
 */
export function findEntities(text: string): Entity[] {
  // Nearly every word has neither.
  if (!text.includes('@') && !text.includes('://')) return []
  const found: Entity[] = []
  for (const { index, 0: mention, 1: name } of text.matchAll(MENTION)) {
    found.push({ type: 'mention', start: index, end: index + mention.length, name: name! })
  }
  let past = 0
  for (const { index, 0: host } of text.matchAll(LINK)) {
    if (index < past) continue
    past = endOfLink(text, index + host.length)
    found.push({ type: 'link', start: index, end: past })
  }
  found.sort((one, other) => one.start - other.start)
  let end = 0
  return found.filter(entity => {
    if (entity.start < end) return false
    end = entity.end
    return true
  })
}

/** Where path and query end that follow a host. Punctuation at the very end belongs to the sentence around. */
function endOfLink(text: string, host: number): number {
  const path = text[host] === '/' ? endOfPath(text, host + 1) : host
  if (text[path] !== '?') return path
  let end = path
  for (let at = path + 1; at < text.length && QUERY.test(text[at]!); at += 1) {
    if (QUERY_END.test(text[at]!)) end = at + 1
  }
  return end
}

function endOfPath(text: string, start: number): number {
  let end = start
  let at = start
  while (at < text.length) {
    if (text[at] === '(') {
      const close = endOfParentheses(text, at)
      if (close === undefined) return end
      at = end = close
    } else {
      if (!PATH.test(text[at]!)) return end
      at += 1
      if (!NEVER_LAST.has(text[at - 1]!)) end = at
    }
  }
  return end
}

/** Past a pair of parentheses with something in it, one more pair at most; undefined for a bracket that stays open. */
function endOfParentheses(text: string, open: number): number | undefined {
  let at = pastPath(text, open + 1)
  if (text[at] === '(') {
    const inner = pastPath(text, at + 1)
    if (inner === at + 1 || text[inner] !== ')') return undefined
    at = pastPath(text, inner + 1)
  }
  return text[at] === ')' && at > open + 1 ? at + 1 : undefined
}

function pastPath(text: string, start: number): number {
  let at = start
  while (at < text.length && PATH.test(text[at]!)) at += 1
  return at
}

// One UTF-16 unit at a time: the halves of a pair are both taken.
const PATH = /[^\s\u0085<>()?]/
const NEVER_LAST = new Set(`!*"'「」<>;:=,.$%[]~&|@`)
const QUERY = /[\w!?*'();:&=+$/%#[\]\-.,~|@^]|(?!\s)[\u00a0-\uffff]/
const QUERY_END = /[\w&=#/-]|(?!\s)[\u00a0-\uffff]/
