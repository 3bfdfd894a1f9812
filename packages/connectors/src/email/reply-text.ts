import EmailReplyParser from 'email-reply-parser'

/** A longer text is shown whole: looking for quotes in it costs more than it helps. */
const MAX_LENGTH = 200_000

export type ReplyText = { text: string; quoted: string | null }

/**
 * Parts what somebody wrote from what their program repeated below it. Nothing is lost: what is taken from the text is
 * `quoted`. Where somebody answers between the lines, or nothing else would be left, the text stays whole.
 */
export function splitReply(whole: string, delimiter: string | null): ReplyText {
  const lines = whole.replace(/\r\n?/g, '\n')
  const cut = delimiter ? atDelimiter(lines, delimiter) : undefined
  if (cut !== undefined) {
    const above = withoutAttribution(lines.slice(0, cut))
    return above.trim() === ''
      ? { text: lines, quoted: null }
      : { text: above, quoted: lines.slice(above.length).trim() || null }
  }
  if (lines.length > MAX_LENGTH || answersBetween(lines)) return { text: lines, quoted: null }
  const fragments = new EmailReplyParser().read(lines).getFragments()
  // Only what ends the mail is folded away; signatures stay: they say who wrote.
  let end = fragments.length
  while (
    end > 0 &&
    (fragments[end - 1]!.isQuoted() || (fragments[end - 1]!.isHidden() && !fragments[end - 1]!.isSignature()))
  )
    end -= 1
  const join = (part: typeof fragments) =>
    part
      .map(fragment => fragment.getContent())
      .join('\n')
      .trim()
  const text = join(fragments.slice(0, end))
  const quoted = join(fragments.slice(end))
  return text === '' || quoted === '' ? { text: lines, quoted: null } : { text, quoted }
}

/** Where the line with the delimiter begins, quoted or not. */
function atDelimiter(lines: string, delimiter: string): number | undefined {
  const found = lines.indexOf(delimiter)
  return found === -1 ? undefined : lines.lastIndexOf('\n', found) + 1
}

/** Without the line that introduces the quote, which programs put above what they repeat. */
function withoutAttribution(above: string): string {
  const { text } = splitReply(`${above.trimEnd()}\n\n> quoted`, null)
  return above.startsWith(text) ? text : above.trimEnd()
}

/** Words of their own after quoted lines, and quoted lines after those: an answer to each point. */
function answersBetween(lines: string): boolean {
  let own = false
  let blocks = 0
  let afterQuote = false
  for (const line of lines.split('\n')) {
    if (line.trim() === '') continue
    if (/^\s*>/.test(line)) {
      if (own) blocks += 1
      own = false
      afterQuote = true
    } else own = afterQuote
  }
  return blocks + (own ? 1 : 0) > 1
}
