import { z } from 'zod'
import type { ConnectedChannel } from '../connector.ts'

/** It is kept whole with its attempt, and most servers take no more. */
const MAX_MAIL_BYTES = 20 * 1024 * 1024
/** Base64 in lines. */
const ENCODED = 1.37
const HEADERS_AND_TEXT = 512 * 1024

const facts = z.object({ smtp_max_bytes: z.number().positive().nullable() }).catch({ smtp_max_bytes: null })

/** The largest mail that can be sent: what the server said it takes, and never more than we keep. */
export function maxMailBytes({ network_facts }: Pick<ConnectedChannel, 'network_facts'>): number {
  return Math.min(facts.parse(network_facts).smtp_max_bytes ?? MAX_MAIL_BYTES, MAX_MAIL_BYTES)
}

/** The largest file that fits into such a mail. */
export function maxFileBytes(channel: Pick<ConnectedChannel, 'network_facts'>): number {
  return Math.max(1, Math.floor((maxMailBytes(channel) - HEADERS_AND_TEXT) / ENCODED))
}
