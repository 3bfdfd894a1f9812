import { isUnread } from './addresses.ts'
import type { MailHeaders } from './mail-headers.ts'

const PROGRAMS = [
  'x-autoreply',
  'x-autorespond',
  'x-vacation',
  'auto-response',
  'x-auto-reply-from',
  'x-failed-recipients',
]

/**
 * Whether a program wrote a mail (RFC 3834 §5 and what programs did before it). Mail of a list counts as a program's
 * unless people can post to that list: many shared mailboxes are reached by way of one.
 */
export function isAutomatic(headers: MailHeaders, from: string | undefined): boolean {
  const submitted = headers.first('auto-submitted')
  if (submitted && !/^\s*no\b/i.test(submitted)) return true
  // An empty envelope sender: nobody wants to hear whether it arrived.
  if (/^\s*<\s*>/.test(headers.first('return-path') ?? '')) return true
  if (/^\s*multipart\/report\b/i.test(headers.first('content-type') ?? '')) return true
  if (PROGRAMS.some(name => headers.first(name) !== undefined)) return true
  if (from && (isUnread(from) || from.toLowerCase().startsWith('postmaster@'))) return true
  const precedence = headers.first('precedence')?.trim().toLowerCase() ?? ''
  if (['bulk', 'junk', 'auto_reply'].includes(precedence)) return true
  if (headers.first('list-post') !== undefined) return false
  return (
    precedence === 'list' ||
    headers.first('list-unsubscribe') !== undefined ||
    headers.first('feedback-id') !== undefined
  )
}
