import type { Channel } from '@parley/db'
import { channelContext, unseal } from './seal.ts'

/** A channel with its secrets unsealed, for its connector alone. */
export function openChannel(secretKey: Buffer, channel: Channel) {
  const context = channelContext(channel)
  const open = (sealed: Buffer) => unseal(secretKey, context, sealed) as Record<string, unknown>
  return {
    id: channel.id,
    external_id: channel.external_id,
    settings: channel.settings as Record<string, unknown>,
    network_facts: channel.network_facts as Record<string, unknown>,
    credentials: open(channel.credentials_sealed),
    session: channel.session_sealed ? open(channel.session_sealed) : null,
  }
}
