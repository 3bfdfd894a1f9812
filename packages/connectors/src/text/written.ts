import type { ConnectorMessage } from '@parley/contracts'
import { cleanText, TEXT_MARKS, type TextMark } from '@parley/domain'
import { type HtmlOptions, safeHtml } from './safe-html.ts'

type Given = {
  text?: string | null | undefined
  html?: string | null | undefined
  /** What was done to it already. */
  marks?: TextMark[]
}

/**
 * What somebody wrote, as it is stored, with the marks of both forms. The text is read from the HTML where there is no
 * other.
 */
export function written(given: Given, options?: HtmlOptions): Pick<ConnectorMessage, 'text' | 'html' | 'text_marks'> {
  const safe = given.html ? safeHtml(given.html, options) : undefined
  const { text, marks } = cleanText(given.text || (safe?.text ?? ''))
  const all = new Set([...marks, ...(safe?.marks ?? []), ...(given.marks ?? [])])
  return { text, html: safe?.html || null, text_marks: TEXT_MARKS.filter(mark => all.has(mark)) }
}
