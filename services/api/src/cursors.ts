import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { DomainError } from '@parley/domain'
import type { z } from 'zod'

const MAC_BYTES = 16

/** Where a list goes on. The scope (workspace, route, filters, sort) is part of the signature, not of the text. */
export type Cursors = {
  encode(scope: unknown, position: unknown): string
  /** @throws DomainError `invalid_cursor` for one that was changed or belongs to another list */
  decode<T>(scope: unknown, cursor: string, schema: z.ZodType<T>): T
}

export function createCursors(secretKey: Buffer): Cursors {
  const key = Buffer.from(hkdfSync('sha256', secretKey, '', 'parley cursors', 32))
  const sign = (scope: unknown, payload: Buffer) =>
    createHmac('sha256', key).update(JSON.stringify(scope)).update('\0').update(payload).digest().subarray(0, MAC_BYTES)
  return {
    encode(scope, position) {
      const payload = Buffer.from(JSON.stringify(position))
      return Buffer.concat([sign(scope, payload), payload]).toString('base64url')
    },
    decode(scope, cursor, schema) {
      const bytes = Buffer.from(cursor, 'base64url')
      const payload = bytes.subarray(MAC_BYTES)
      const genuine = bytes.length > MAC_BYTES && timingSafeEqual(bytes.subarray(0, MAC_BYTES), sign(scope, payload))
      // Several texts decode to the same bytes; only the one we wrote is ours.
      if (!genuine || bytes.toString('base64url') !== cursor) {
        throw new DomainError('invalid_cursor', 'This cursor does not belong to this list.')
      }
      return schema.parse(JSON.parse(payload.toString()))
    },
  }
}
