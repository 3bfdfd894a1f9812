import type { ChannelCheck, ConnectedChannel, ConnectorContext } from '../connector.ts'
import { EgressBlocked } from '../egress.ts'
import { genericCredentials, genericSettings } from './schemas.ts'

/**
 * How events are believed, and whether replies find their way: the reply_url is asked with HEAD, which carries no reply,
 * and any answer shows that somebody is there.
 */
export async function check(channel: ConnectedChannel, context: ConnectorContext): Promise<ChannelCheck[]> {
  const { signing_secrets, bearer_secret } = genericCredentials.parse(channel.credentials)
  const { reply_url } = genericSettings.parse(channel.settings)
  const ways = [...(signing_secrets ? ['signed'] : []), ...(bearer_secret ? ['sent with the bearer secret'] : [])]
  const events = { name: 'events', ok: true, detail: `Events are believed when they are ${ways.join(' or ')}` }
  if (!reply_url) return [events, { name: 'outbox', ok: true, detail: 'Replies wait in the outbox to be fetched' }]
  const signing = signing_secrets
    ? { name: 'signing', ok: true, detail: 'Replies are signed' }
    : { name: 'signing', ok: false, detail: 'There is no signing secret to sign replies with' }
  return [events, signing, await checkReplyUrl(reply_url, context)]
}

async function checkReplyUrl(reply_url: string, { fetch, signal }: ConnectorContext): Promise<ChannelCheck> {
  const name = 'reply_url'
  try {
    const response = await fetch(reply_url, { method: 'HEAD', signal })
    await response.body?.cancel()
    return { name, ok: true, detail: `The reply_url answers (${response.status})` }
  } catch (error) {
    if (error instanceof EgressBlocked) return { name, ok: false, detail: 'The reply_url may not be called' }
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const { code } = cause as { code?: unknown }
    return { name, ok: false, detail: `The reply_url cannot be reached${typeof code === 'string' ? ` (${code})` : ''}` }
  }
}
