import { connectorFor, networkMessage } from '@parley/connectors'
import type { Delivery } from '@parley/core'
import type { Channel } from '@parley/db'
import type { ChannelCapabilities } from '@parley/domain'

/** What a connected account can do. */
export function capabilitiesOf(channel: Channel): ChannelCapabilities {
  return connectorFor(channel.kind).capabilities({
    settings: channel.settings as Record<string, unknown>,
    network_facts: channel.network_facts as Record<string, unknown>,
  })
}

/** How replies leave it. */
export function deliveryOf(channel: Channel): Delivery {
  const { pulled, countedText } = connectorFor(channel.kind)
  return {
    capabilities: capabilitiesOf(channel),
    countedText: (text, parent) => {
      const in_reply_to = parent && networkMessage(parent)
      return in_reply_to && countedText ? countedText(text, in_reply_to) : text
    },
    pulled: pulled?.({ settings: channel.settings as Record<string, unknown> }) ?? false,
  }
}
