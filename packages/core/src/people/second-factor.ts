import { createHash, randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { seal, unseal } from '../seal.ts'

/** What authenticator apps all know: SHA-1, six digits, half a minute (RFC 6238). */
const SHAPE = { algorithm: 'SHA1', digits: 6, period: 30 } as const
const SECRET_BYTES = 20
/** One step to either side: clocks differ, and people type slowly. */
const WINDOW = 1
const CODES = 10
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789'

export type Enrolment = { secret: string; otpauth_url: string }

/** A new shared secret and the address that authenticator apps read as a QR code. */
export function newTotp(label: string, issuer: string): Enrolment {
  const secret = new Secret({ size: SECRET_BYTES })
  // A colon parts the two in the address, and so stands in neither.
  const plain = (text: string) => text.replaceAll(':', ' ')
  const totp = new TOTP({ ...SHAPE, secret, label: plain(label), issuer: plain(issuer) })
  return { secret: secret.base32, otpauth_url: totp.toString() }
}

/** The time step that a code is of; undefined for a wrong code, and for one of a step that was taken before. */
export function stepOfCode(secret: string, code: string, last_step: number | null, now: Date): number | undefined {
  const totp = new TOTP({ ...SHAPE, secret: Secret.fromBase32(secret) })
  const delta = totp.validate({ token: code, window: WINDOW, timestamp: now.getTime() })
  if (delta === null) return undefined
  const step = Math.floor(now.getTime() / 1000 / SHAPE.period) + delta
  return last_step !== null && step <= last_step ? undefined : step
}

type Owner = { workspace_id: string; id: string }
const context = ({ workspace_id, id }: Owner) => `totp:${workspace_id}:${id}`

export const sealTotp = (key: Buffer, owner: Owner, secret: string): Buffer => seal(key, context(owner), secret)
export const openTotp = (key: Buffer, owner: Owner, sealed: Buffer): string =>
  unseal(key, context(owner), sealed) as string

/** Codes for the day the phone is lost, each for once: 16 characters of 31, so 79 random bits. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: CODES }, () => {
    const characters = Array.from({ length: 16 }, randomCharacter).join('')
    return characters.match(/.{4}/g)!.join('-')
  })
}

function randomCharacter(): string {
  for (;;) {
    const value = randomBytes(1)[0]! & 31
    if (value < ALPHABET.length) return ALPHABET[value]!
  }
}

/** However it is typed: with other letters, dashes or spaces. Only with the right password is it of any use. */
export const hashRecoveryCode = (code: string): Buffer =>
  createHash('sha256')
    .update(code.toLowerCase().replace(/[^a-z0-9]/g, ''))
    .digest()
