import { z } from 'zod'
import type { ChannelCheck, ConnectedChannel, ConnectorContext } from '../connector.ts'
import { ChannelAuthError, NetworkUnavailable } from '../errors.ts'
import { describe, type MastodonCall } from './client.ts'
import { readOwnAccount } from './identify.ts'
import { MastodonSession } from './session.ts'

/** No server has a post of this name: what is asked about it writes nothing, and shows whether it would be allowed. */
const NOWHERE = '0'

/** Everything the channel will need, each tried by itself. The first refusal of the token ends it. */
export async function check(channel: ConnectedChannel, context: ConnectorContext): Promise<ChannelCheck[]> {
  const session = new MastodonSession(channel, context)
  const token = await checkToken(session, context)
  if (!token.ok) return [token]
  const allowed = (name: string, scope: string, call: MastodonCall) => checkRight(session, name, scope, call)
  const own = `/api/v1/accounts/${channel.external_id}/statuses`
  const missing = `/api/v1/statuses/${NOWHERE}`
  return [
    token,
    await allowed('read_notifications', 'read:notifications', {
      path: '/api/v1/notifications',
      query: { limit: 1 },
    }),
    await allowed('read_posts', 'read:statuses', { path: own, query: { limit: 1 } }),
    await allowed('write_posts', 'write:statuses', { method: 'PUT', path: missing, json: { status: 'x' } }),
    await allowed('write_likes', 'write:favourites', { method: 'POST', path: `${missing}/favourite` }),
    await allowed('write_media', 'write:media', {
      method: 'PUT',
      path: `/api/v1/media/${NOWHERE}`,
      json: { description: 'x' },
    }),
    ...(await checkPolicy(session)),
  ]
}

async function checkToken(session: MastodonSession, context: ConnectorContext): Promise<ChannelCheck> {
  try {
    const { acct } = await readOwnAccount(session, context.now())
    return { name: 'token', ok: true, detail: `The token belongs to the account ${acct ?? ''}.`.replace(' .', '.') }
  } catch (error) {
    return { name: 'token', ok: false, detail: inWords(error) }
  }
}

async function checkRight(
  session: MastodonSession,
  name: string,
  scope: string,
  call: MastodonCall,
): Promise<ChannelCheck> {
  try {
    const answer = await session.call(call)
    if (answer.status === 403) return { name, ok: false, detail: `Not allowed: the token needs the scope ${scope}.` }
    const known = answer.ok || (answer.error !== null && [400, 404, 422].includes(answer.status))
    return known
      ? { name, ok: true, detail: `The scope ${scope} is there.` }
      : { name, ok: false, detail: `Could not be tried: ${describe(answer)}.` }
  } catch (error) {
    return { name, ok: false, detail: inWords(error) }
  }
}

const policyBody = z.record(z.string(), z.unknown())

const WHOM: Record<string, string> = {
  for_not_following: 'people this account does not follow',
  for_not_followers: 'people who do not follow this account',
  for_new_accounts: 'new accounts',
  for_private_mentions: 'private messages nobody asked for',
  for_limited_accounts: "accounts limited by the server's moderators",
}

/** Filtered mentions are read all the same; dropped ones never exist, and no call brings them back. */
async function checkPolicy(session: MastodonSession): Promise<ChannelCheck[]> {
  const name = 'notification_policy'
  try {
    const answer = await session.call({ path: '/api/v2/notifications/policy' })
    if (answer.status === 404) return [{ name, ok: true, detail: 'This server drops no mentions by a policy.' }]
    const policy = policyBody.safeParse(answer.body)
    if (!answer.ok || !policy.success)
      return [{ name, ok: false, detail: `The policy could not be read: ${describe(answer)}.` }]
    const dropped = Object.entries(policy.data).filter(([, decision]) => decision === 'drop')
    if (dropped.length === 0) return [{ name, ok: true, detail: 'No mentions are dropped.' }]
    return dropped.map(([field]) => {
      const whom = WHOM[field] ?? field
      return {
        name,
        ok: false,
        detail: `Mentions from ${whom} are dropped by the server and never reach Parley. Set "${field}" to accept or filter.`,
      }
    })
  } catch (error) {
    return [{ name, ok: false, detail: inWords(error) }]
  }
}

function inWords(error: unknown): string {
  if (error instanceof ChannelAuthError || error instanceof NetworkUnavailable) return error.message
  throw error
}
