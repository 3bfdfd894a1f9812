import { composed } from '@parley/domain'

/** Elements inside a line. */
export const INLINE = new Set(['a', 'b', 'bdi', 'code', 'del', 'em', 'i', 's', 'span', 'strong', 'u'])
/** Elements with lines of their own. None may stand in a paragraph. */
export const BLOCKS = new Set(['blockquote', 'li', 'ol', 'p', 'pre', 'ul'])
/** What lies in these is not for readers, and browsers do not read it as HTML either. */
export const UNREADABLE = new Set(['iframe', 'noembed', 'noframes', 'script', 'style', 'title'])
/** Elements that are not kept and do begin a line: layout, headings, tables. */
export const LAYOUT = new Set(
  (
    'address article aside body caption center dd details div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 head header hr html legend main nav section summary table tbody tfoot thead tr'
  ).split(' '),
)
export const CELLS = new Set(['td', 'th'])

const DIRECTIONS = new Set(['ltr', 'rtl', 'auto'])
const LANGUAGE = /^[a-z]{1,8}(-[a-z0-9]{1,8}){0,8}$/i
const ADDRESS = /^(https?:\/\/|mailto:)[^\s]/i

/** ` dir="rtl" lang="ar"`: what a text needs to be read right. */
export function readingAttributes(attributes: Map<string, string>): string {
  const dir = attributes.get('dir')?.toLowerCase() ?? ''
  const lang = attributes.get('lang') ?? ''
  return (DIRECTIONS.has(dir) ? ` dir="${dir}"` : '') + (LANGUAGE.test(lang) ? ` lang="${lang}"` : '')
}

/**
 * The address as a browser reads it (WHATWG URL: outer control characters and spaces do not count, nor do tabs and line
 * breaks anywhere), when it leads to the web or to a mailbox.
 */
export function allowedAddress(href: string): string | undefined {
  const address = trimmed(href).replaceAll(/[\t\n\r]/g, '')
  if (!ADDRESS.test(address)) return undefined
  // Composing an address would change where it leads; spelt in ASCII it leads where it did.
  return composed(address) === address ? address : address.replace(/[^\x20-\x7e]+/g, encodeURIComponent)
}

/** By hand: a pattern for the end would begin anew at each of a million spaces. */
function trimmed(href: string): string {
  let [start, end] = [0, href.length]
  while (start < end && href[start]! <= ' ') start += 1
  while (end > start && href[end - 1]! <= ' ') end -= 1
  return href.slice(start, end)
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export const escapedText = (text: string) => text.replace(/[&<>]/g, character => ENTITIES[character]!)
export const escapedValue = (text: string) => text.replace(/[&<>"]/g, character => ENTITIES[character]!)
