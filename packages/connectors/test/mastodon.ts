import { connectedChannel, connectorContext, type FakeMastodonServer, startFakeMastodon } from '@parley/testing'
import type { Test } from 'tap'
import type {
  ConnectedChannel,
  ConnectorContext,
  NetworkMessage,
  OutgoingReply,
  ReceivedEvent,
} from '../src/connector.ts'
import { mastodonConnector } from '../src/mastodon/index.ts'

type Traits = Parameters<FakeMastodonServer['configure']>[0]

/** A brand that is connected on a server of the test's own, and a customer of another server. */
export async function openBrand(t: Test, traits: Traits = {}) {
  const network = await startFakeMastodon(t)
  await network.configure(traits)
  const brand = await network.addAccount('brand')
  const ana = await network.addAccount('ana@remote.example', { display_name: 'Ana Silva' })
  const channel = await connect(network.url, brand.token)
  return { network, brand, ana, channel, context: contextAt() }
}

export async function connect(server_url: string, access_token: string): Promise<ConnectedChannel> {
  const settings = { server_url }
  const opened = connectedChannel({ settings, credentials: { access_token } })
  const identity = await mastodonConnector.identify!(opened, contextAt())
  return { ...opened, external_id: identity.external_id, network_facts: identity.network_facts ?? {} }
}

export function contextAt(
  now: () => Date = () => new Date(),
  fields: Partial<ConnectorContext> = {},
): ConnectorContext {
  return connectorContext({ now, fetch, ...fields })
}

/** Polls until there is no more; the cursor goes through JSON as it does through the database. */
export async function pollAll(
  channel: ConnectedChannel,
  from: Record<string, unknown> | null,
  context = contextAt(),
): Promise<{ events: ReceivedEvent[]; cursor: Record<string, unknown>; pages: number }> {
  const events: ReceivedEvent[] = []
  let cursor = from
  for (let pages = 1; ; pages += 1) {
    const page = await mastodonConnector.poll!(channel, cursor, context)
    if (page.failed) throw page.failed
    events.push(...page.events)
    cursor = JSON.parse(JSON.stringify(page.cursor)) as Record<string, unknown>
    if (!page.more) return { events, cursor, pages }
    if (pages > 100) throw new Error('the poll does not end')
  }
}

/** What the inbox makes of events. */
export function read(channel: ConnectedChannel, events: ReceivedEvent[], received_at = new Date()) {
  return events.map(({ payload }) =>
    mastodonConnector.normalise(channel, JSON.parse(JSON.stringify(payload)), received_at),
  )
}

export function replyTo(message: NetworkMessage, fields: Partial<OutgoingReply> = {}): OutgoingReply {
  return {
    message_id: '0192aaaa-0000-7000-8000-000000000001',
    text: 'Sorry to hear that!',
    visibility: message.visibility,
    thread_key: 'thread',
    queued_at: new Date(),
    in_reply_to: message,
    attachments: [],
    ...fields,
  }
}

/** The only message among events, as a reply is given it. */
export function messageIn(channel: ConnectedChannel, events: ReceivedEvent[]): NetworkMessage & { thread_key: string } {
  const message = read(channel, events).findLast(event => event.type === 'message')
  if (!message) throw new Error('no message')
  const { external_id, reply_context, visibility, from_us, thread_key } = message
  return { external_id, reply_context, visibility, from_us, thread_key }
}
