import { createHash } from 'node:crypto'

/** The forms that ids take on servers of this API: Mastodon's, GoToSocial's, Akkoma's, Hollo's. */
export type IdForm = 'snowflake' | 'ulid' | 'flake' | 'uuid'

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function inDigits(value: bigint, digits: string, length: number): string {
  let rest = value
  let text = ''
  for (let at = 0; at < length; at += 1) {
    text = digits[Number(rest % BigInt(digits.length))]! + text
    rest /= BigInt(digits.length)
  }
  return text
}

/** Ids that rise with `seq`, for things of one kind. Hollo's notifications have a time and slashes in theirs. */
export function idOf(form: IdForm, kind: string, seq: number, at: Date): string {
  const time = BigInt(at.getTime())
  switch (form) {
    case 'snowflake':
      return String((time << 16n) | BigInt(seq))
    case 'ulid':
      return inDigits(time, CROCKFORD, 10) + inDigits(BigInt(seq), CROCKFORD, 16)
    case 'flake':
      return `A${inDigits((time << 64n) | BigInt(seq), BASE62, 21)}`
    case 'uuid': {
      const hex = createHash('md5').update(`${kind}${seq}`).digest('hex')
      const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)]
      return kind === 'notification' ? `${at.toISOString()}/mention/${parts.join('-')}` : parts.join('-')
    }
    default:
      return form satisfies never
  }
}
