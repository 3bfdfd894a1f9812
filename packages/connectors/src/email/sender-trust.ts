import { domainOf } from './addresses.ts'
import type { MailHeaders } from './mail-headers.ts'

/**
 * Whether the mailbox's own server vouches for the sender (RFC 8601): by the topmost result under its id, and by DMARC
 * alone, as SPF and DKIM by themselves say nothing about who stands in From. Null where it says nothing: anybody can
 * write such a header, so none counts while the server's id is not known.
 */
export function senderVerified(
  headers: MailHeaders,
  authserv_id: string | null,
  from: string | undefined,
): boolean | null {
  if (!authserv_id || !from) return null
  const results = headers.all('authentication-results').map(withoutComments)
  const ours = results.find(
    result => result.split(';', 1)[0]!.trim().split(/\s/, 1)[0]!.toLowerCase() === authserv_id.toLowerCase(),
  )
  const dmarc = ours
    ?.split(';')
    .slice(1)
    .map(part => part.trim())
    .find(part => /^dmarc\s*=/i.test(part))
  if (!dmarc) return null
  const verdict = /^dmarc\s*=\s*([a-z]+)/i.exec(dmarc)?.[1]?.toLowerCase()
  const about = /\bheader\.from\s*=\s*"?([^\s";]+)/i.exec(dmarc)?.[1]?.toLowerCase()
  if (verdict === 'fail') return false
  return verdict === 'pass' && (about === undefined || isWithin(domainOf(from.toLowerCase()), domainOf(about)))
    ? true
    : null
}

const isWithin = (domain: string, about: string) => domain === about || domain.endsWith(`.${about}`)

/** Comments may hold anything, also what looks like a result. */
function withoutComments(text: string): string {
  let depth = 0
  let kept = ''
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]!
    if (depth > 0 && character === '\\') index += 1
    else if (character === '(') depth += 1
    else if (character === ')' && depth > 0) depth -= 1
    else if (depth === 0) kept += character
  }
  return kept
}
