/** Texts whose finer type only their sender knows; a browser shows all of them as text. */
const TEXT_TYPES = new Set([
  'text/plain',
  'text/csv',
  'text/calendar',
  'text/markdown',
  'text/vcard',
  'text/tab-separated-values',
  'application/json',
])
// What a browser takes for HTML when nobody tells it what it is (mimesniff.spec.whatwg.org, 7.1), and SVG.
const PAGE =
  /^\s*<(!doctype\s+(html|svg)|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|svg|!--)[\s/>]/iu
const XML = /^\s*<[?!\w]/u
const PAGE_IN_XML = /<(\w+:)?(svg|html|script)[\s/>]|http:\/\/www\.w3\.org\/(1999\/xhtml|2000\/svg)/iu

export type TextDescription = {
  /** Undefined when it is no text. */
  media_type?: string
  /** A page that could run scripts. */
  page: boolean
  /** Begins with the byte order mark of UTF-16. */
  marked: boolean
}

export function describeText(head: Uint8Array, claimed: string | null): TextDescription {
  const encoding = encodingOf(head)
  const text = decode(head, encoding)
  const page = isPage(text ?? Buffer.from(head).toString('latin1'))
  const marked = encoding !== 'utf-8'
  if (text === undefined) return { page, marked }
  const type = (claimed ?? '').split(';')[0]!.trim().toLowerCase()
  return { media_type: TEXT_TYPES.has(type) ? type : 'text/plain', page, marked }
}

const isPage = (text: string) => PAGE.test(text) || (XML.test(text) && PAGE_IN_XML.test(text))

function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

/** Undefined for what is no text. */
function decode(head: Uint8Array, encoding: string): string | undefined {
  try {
    // Streaming: the last character may be cut in the middle.
    const text = new TextDecoder(encoding, { fatal: true }).decode(head, { stream: true })
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}
