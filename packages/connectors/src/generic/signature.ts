import { createHmac, timingSafeEqual } from 'node:crypto'

/** How far a webhook's timestamp may lie from our clock, both ways (Standard Webhooks 1.0.0). */
const TOLERANCE_SECONDS = 300
// No dot: it would allow bytes to be shifted between the id and the timestamp.
const ID = /^[A-Za-z0-9_-]{1,128}$/
const MAX_SIGNATURES = 10

const SECRET = /^whsec_((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/

/** `whsec_` and base64 of 24 to 64 bytes, padded; the bytes are the key. Other libraries refuse anything looser. */
export function isSecret(text: string): boolean {
  const base64 = text.length <= 100 ? SECRET.exec(text)?.[1] : undefined
  if (!base64) return false
  const { length } = Buffer.from(base64, 'base64')
  return length >= 24 && length <= 64
}

/** The `v1` signature of Standard Webhooks 1.0.0 over id, timestamp (Unix seconds) and the raw body. */
export function sign(secret: string, id: string, timestamp: number, body: Buffer): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
}

export type SignedHeaders = { id: string; timestamp: string; signature: string }

/**
 * True when one of the signatures was made with one of the secrets, not too long ago. Versions other than v1 are
 * skipped, and every pair is compared, so that the time taken tells nothing.
 */
export function verify(secrets: string[], headers: SignedHeaders, body: Buffer, now: Date): boolean {
  if (!ID.test(headers.id) || !/^\d{1,12}$/.test(headers.timestamp)) return false
  const timestamp = Number(headers.timestamp)
  if (Math.abs(now.getTime() / 1000 - timestamp) > TOLERANCE_SECONDS) return false
  const given = headers.signature
    .split(' ')
    .filter(entry => entry.startsWith('v1,'))
    .slice(0, MAX_SIGNATURES)
    .map(entry => Buffer.from(entry))
  let valid = false
  for (const secret of secrets) {
    const expected = Buffer.from(sign(secret, headers.id, timestamp, body))
    for (const entry of given) if (entry.length === expected.length && timingSafeEqual(entry, expected)) valid = true
  }
  return valid
}
