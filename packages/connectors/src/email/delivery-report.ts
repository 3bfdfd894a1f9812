import type { MailHeaders } from './mail-headers.ts'
import { findOwnMessageId } from './message-id.ts'
import type { Bounce } from './stored-mail.ts'

const MAX_REASON = 500

/**
 * What became of a mail of ours, from a delivery report (RFC 3464) or from what older servers write. Undefined for any
 * other mail, for reports about what we did not send, and for reports of success.
 * @param report the machine-readable part, null where the mail has none
 * @param source the whole report as it came: it returns our headers somewhere
 */
export function readBounce(headers: MailHeaders, report: string | null, source: string): Bounce | undefined {
  const message_id = findOwnMessageId(source.replace(/\r?\n[ \t]+/g, ' '))
  if (!message_id) return undefined
  const failed = headers.first('x-failed-recipients')
  if (report === null) {
    if (failed === undefined) return undefined
    return { message_id, recipient: failed.split(',')[0]!.trim(), reason: 'The mail was returned.', permanent: true }
  }
  const groups = report
    .replace(/\r\n/g, '\n')
    .replace(/\n[ \t]+/g, ' ')
    .split(/\n[ \t]*\n/)
    .map(fieldsOf)
    .filter(fields => fields.has('action'))
  const actionOf = (fields: Map<string, string>) => fields.get('action')!.toLowerCase()
  // One recipient that it did not reach counts more than another that has to wait.
  const worst =
    groups.find(fields => actionOf(fields) === 'failed') ?? groups.find(fields => actionOf(fields) === 'delayed')
  if (!worst) return undefined
  const typed = (field: string | undefined) => field?.slice(field.indexOf(';') + 1).trim()
  const words = [worst.get('status'), typed(worst.get('diagnostic-code'))].filter(Boolean).join(' ')
  return {
    message_id,
    recipient: typed(worst.get('final-recipient') ?? worst.get('original-recipient')) || null,
    reason: (words || 'The server gave no reason.').slice(0, MAX_REASON),
    // `failed` is final whatever the class of its status: 4.4.7 says that the server has given up trying.
    permanent: actionOf(worst) === 'failed',
  }
}

function fieldsOf(group: string): Map<string, string> {
  const lines = group.split('\n').map(line => /^([a-z-]+)\s*:\s*(.*)$/i.exec(line))
  return new Map(lines.flatMap(match => (match ? [[match[1]!.toLowerCase(), match[2]!.trim()]] : [])))
}
