import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { ChannelAuthError, NetworkUnavailable } from '../errors.ts'
import type { OauthLogin } from './settings.ts'

/** Renewed that long before it ends: a session outlives its token by little. */
const MARGIN_MS = 2 * 60_000
const USUAL_SECONDS = 3600

const session = z.object({
  access_token: z.string().min(1),
  /** Providers may replace it with every use. */
  refresh_token: z.string().min(1),
  expires_at: z.iso.datetime(),
})
type Session = z.infer<typeof session>

const answer = z.looseObject({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional(),
  // Some servers write the number as text.
  expires_in: z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,9}$/)
        .transform(Number),
    ])
    .pipe(z.number().positive().max(31_536_000))
    .optional(),
})

/**
 * A token that opens the mailbox (RFC 6749 §6), a saved one while it is good.
 * @param refused one that the server did not take
 * @throws ChannelAuthError when the refresh token is not taken any more, NetworkUnavailable
 */
export async function accessToken(
  channel: ConnectedChannel,
  { oauth }: OauthLogin,
  context: ConnectorContext,
  refused?: string,
): Promise<string> {
  const isStale = (saved: Record<string, unknown> | null) => {
    const { data } = session.safeParse(saved)
    return !data || data.access_token === refused || Date.parse(data.expires_at) - MARGIN_MS <= context.now().getTime()
  }
  if (!isStale(channel.session)) return session.parse(channel.session).access_token
  const renewed = await context.renewSession(isStale, saved => refresh(oauth, saved, context))
  return session.parse(renewed).access_token
}

async function refresh(
  oauth: OauthLogin['oauth'],
  saved: Record<string, unknown> | null,
  context: ConnectorContext,
): Promise<Session> {
  const refresh_token = session.safeParse(saved).data?.refresh_token ?? oauth.refresh_token
  const { token_url, client_id, client_secret, scope } = oauth
  const form = {
    grant_type: 'refresh_token',
    refresh_token,
    client_id,
    ...(client_secret && { client_secret }),
    ...(scope && { scope }),
  }
  let response: Response
  let body: unknown
  try {
    response = await context.fetch(token_url, {
      method: 'POST',
      body: new URLSearchParams(form),
      signal: context.signal,
    })
    body = await response.json().catch(() => undefined)
  } catch (error) {
    throw new NetworkUnavailable('The server that gives out tokens could not be reached.', null, { cause: error })
  }
  if (response.status === 400 || response.status === 401) {
    const { data } = z.looseObject({ error: z.string().max(100) }).safeParse(body)
    throw new ChannelAuthError(`The mailbox has to be connected again: ${data?.error ?? response.status}`)
  }
  const { data } = answer.safeParse(body)
  if (!response.ok || !data)
    throw new NetworkUnavailable(`The server that gives out tokens answered ${response.status}.`, null)
  const expires_at = new Date(context.now().getTime() + (data.expires_in ?? USUAL_SECONDS) * 1000).toISOString()
  return { access_token: data.access_token, refresh_token: data.refresh_token ?? refresh_token, expires_at }
}
