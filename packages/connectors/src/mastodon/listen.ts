import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { MastodonFailure } from './client.ts'
import { factsOf } from './facts.ts'
import { MastodonSession } from './session.ts'

const STREAM = '/api/v1/streaming/user/notification'
/** Servers without this stream may get it with their next version. */
const ABSENT_MS = 6 * 3_600_000

/**
 * Follows the account's notifications as server-sent events until the connection ends. Every event means "poll now":
 * what it carries is not used, as the stream has gaps and leaves out what is filtered.
 * @throws MastodonFailure, with a late `retry_at` where the server has no such stream
 */
export async function listen(channel: ConnectedChannel, context: ConnectorContext, onNews: () => void): Promise<void> {
  const session = new MastodonSession(channel, context)
  const response = await open(session, streamingOrigin(channel, session.server_url), context)
  onNews()
  const decoder = new TextDecoder()
  let line = ''
  for await (const chunk of response.body ?? []) {
    for (const character of decoder.decode(chunk as Uint8Array, { stream: true })) {
      if (character !== '\n') {
        // Of a long line only the beginning matters.
        if (line.length < 64) line += character
        continue
      }
      if (line.startsWith('event:')) onNews()
      line = ''
    }
  }
}

async function open(session: MastodonSession, origin: string, context: ConnectorContext): Promise<Response> {
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${session.access_token}` }
  let response: Response
  try {
    response = await context.fetch(`${origin}${STREAM}`, { headers, signal: context.signal })
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new MastodonFailure(`GET ${STREAM}: ${detail}`, null, null, { cause })
  }
  const { status, headers: answered } = response
  if (response.ok && /event-stream/.test(answered.get('content-type') ?? '')) return response
  await response.body?.cancel()
  const absent = response.ok || [400, 404, 405, 426, 501].includes(status)
  const retry_at = absent ? new Date(context.now().getTime() + ABSENT_MS) : null
  throw new MastodonFailure(`GET ${STREAM}: no stream (${status})`, status, retry_at)
}

/** The server names the host of its streams; our token goes there only if it is as well protected. */
function streamingOrigin(channel: ConnectedChannel, server_url: string): string {
  const { streaming_url } = factsOf(channel)
  const told = streaming_url && URL.canParse(streaming_url) ? new URL(streaming_url) : undefined
  if (!told) return server_url
  const secure = told.protocol === 'wss:' || told.protocol === 'https:'
  if (!secure && server_url.startsWith('https:')) return server_url
  return `${secure ? 'https' : 'http'}://${told.host}`
}
