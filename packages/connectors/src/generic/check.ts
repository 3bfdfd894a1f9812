import type { ChannelCheck, ConnectedChannel, ConnectorContext } from '../connector.ts'
import { EgressBlocked } from '../egress.ts'
import { genericCredentials, genericSettings } from './schemas.ts'

/**
 * How events are believed, and whether replies and actions find their way: their addresses are asked with HEAD, which
 * carries nothing, and any answer shows that somebody is there.
 */
export async function check(channel: ConnectedChannel, context: ConnectorContext): Promise<ChannelCheck[]> {
  const { signing_secrets, bearer_secret } = genericCredentials.parse(channel.credentials)
  const { reply_url, action_url } = genericSettings.parse(channel.settings)
  const ways = [...(signing_secrets ? ['signed'] : []), ...(bearer_secret ? ['sent with the bearer secret'] : [])]
  const checks = [{ name: 'events', ok: true, detail: `Events are believed when they are ${ways.join(' or ')}` }]
  if (!reply_url) checks.push({ name: 'outbox', ok: true, detail: 'Replies wait in the outbox to be fetched' })
  const what = [...(reply_url ? ['replies'] : []), ...(action_url ? ['actions'] : [])].join(' and ')
  if (what) {
    const capital = `${what[0]!.toUpperCase()}${what.slice(1)}`
    checks.push(
      signing_secrets
        ? { name: 'signing', ok: true, detail: `${capital} are signed` }
        : { name: 'signing', ok: false, detail: `There is no signing secret to sign ${what} with` },
    )
  }
  if (reply_url) checks.push(await checkUrl('reply_url', reply_url, context))
  if (action_url) checks.push(await checkUrl('action_url', action_url, context))
  return checks
}

async function checkUrl(name: string, url: string, { fetch, signal }: ConnectorContext): Promise<ChannelCheck> {
  try {
    const response = await fetch(url, { method: 'HEAD', signal })
    await response.body?.cancel()
    return { name, ok: true, detail: `The ${name} answers (${response.status})` }
  } catch (error) {
    if (error instanceof EgressBlocked) return { name, ok: false, detail: `The ${name} may not be called` }
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const { code } = cause as { code?: unknown }
    return { name, ok: false, detail: `The ${name} cannot be reached${typeof code === 'string' ? ` (${code})` : ''}` }
  }
}
