import { AtpAgent, RichText } from '@atproto/api'
import { connectedChannel, connectorContext } from '@parley/testing'
import type { ConnectedChannel, ConnectorContext } from '../../packages/connectors/src/connector.ts'

export type PostRef = { uri: string; cid: string }

/** A person with a client of their own: the vendor's library, so that nothing of the connector is used on this side. */
export async function createPerson(pds_url: string, handle: string): Promise<AtpAgent> {
  const agent = new AtpAgent({ service: pds_url })
  await agent.createAccount({ handle, email: `${handle}@example.com`, password: 'a-long-password' })
  return agent
}

/** Posts as the official app does, facets included. */
export async function post(person: AtpAgent, text: string, more: Record<string, unknown> = {}): Promise<PostRef> {
  const richText = new RichText({ text })
  await richText.detectFacets(person)
  const { uri, cid } = await person.post({ text: richText.text, facets: richText.facets, ...more })
  return { uri, cid }
}

export type Shown = { uri: string; author: string; text: string; to: string }

/** What a person's app shows right under a post. */
export async function threadOf(person: AtpAgent, uri: string): Promise<Shown[]> {
  const { data } = await person.getPostThread({ uri })
  type Reply = { post: { uri: string; author: { did: string }; record: unknown } }
  const { replies = [] } = data.thread as { replies?: Reply[] }
  return replies.map(({ post }) => {
    const { text, reply } = post.record as { text: string; reply: { parent: { uri: string } } }
    return { uri: post.uri, author: post.author.did, text, to: reply.parent.uri }
  })
}

export function answerTo(root: PostRef, parent: PostRef = root) {
  return { reply: { root, parent } }
}

export function quoteOf(record: PostRef) {
  return { embed: { $type: 'app.bsky.embed.record', record } }
}

/** The brand's account as a connected channel, with an app password of its own. */
export async function connectChannel(brand: AtpAgent, pds_url: string, name: string): Promise<ConnectedChannel> {
  const { data } = await brand.com.atproto.server.createAppPassword({ name })
  const credentials = { identifier: brand.session!.handle, app_password: data.password }
  return connectedChannel({ id: name, settings: { service_url: pds_url }, credentials })
}

/** A context that keeps sessions in the channel, as the worker does in the database. */
export function contextFor(channel: ConnectedChannel, more: Partial<ConnectorContext> = {}): ConnectorContext {
  return connectorContext({
    signal: AbortSignal.timeout(30_000),
    fetch,
    saveSession: async session => {
      channel.session = session
    },
    ...more,
  })
}

/** Counts calls by their method's name. */
export function countingFetch(calls: string[]): typeof fetch {
  return (input, init) => {
    calls.push(new URL(String(input)).pathname.replace('/xrpc/', ''))
    return fetch(input, init)
  }
}
