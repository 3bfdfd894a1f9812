import type { ChannelKind } from '@parley/domain'
import { blueskyConnector } from './bluesky/index.ts'
import type { Connector } from './connector.ts'
import { emailConnector } from './email/index.ts'
import { genericConnector } from './generic/index.ts'
import { mastodonConnector } from './mastodon/index.ts'

const connectors: Record<ChannelKind, Connector> = {
  generic: genericConnector,
  bluesky: blueskyConnector,
  mastodon: mastodonConnector,
  email: emailConnector,
}

/** The connector of a stored channel; rows hold only kinds that `POST /v1/channels` let in. */
export function connectorFor(kind: string): Connector {
  return connectors[kind as ChannelKind]
}
