import type { Visibility } from '@parley/domain'
import type { NetworkMessage } from './connector.ts'

type StoredMessage = {
  external_id: string | null
  reply_context: unknown
  visibility: Visibility
  direction: string
}

/** A stored message as its connector described it; null while the network knows it under no id. */
export function networkMessage({
  external_id,
  reply_context,
  visibility,
  direction,
}: StoredMessage): NetworkMessage | null {
  if (!external_id) return null
  return {
    external_id,
    reply_context: reply_context as Record<string, unknown> | null,
    visibility,
    from_us: direction === 'outbound',
  }
}
