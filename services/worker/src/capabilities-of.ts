import type { Connector } from '@parley/connectors'
import type { Channel } from '@parley/db'
import type { ChannelCapabilities } from '@parley/domain'

/** Tells what a connected account can do. Asks no network. */
export function capabilitiesIn({ connectorFor }: { connectorFor: (kind: string) => Connector }) {
  return (channel: Channel): ChannelCapabilities =>
    connectorFor(channel.kind).capabilities({
      settings: channel.settings as Record<string, unknown>,
      network_facts: channel.network_facts as Record<string, unknown>,
    })
}
