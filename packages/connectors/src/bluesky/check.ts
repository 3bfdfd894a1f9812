import { z } from 'zod'
import type { ChannelCheck, ConnectedChannel, ConnectorContext } from '../connector.ts'
import { ChannelAuthError, NetworkUnavailable } from '../errors.ts'
import { POST_COLLECTION } from './at-uri.ts'
import { type BlueskySession, openSession } from './session.ts'
import { loginOf } from './settings.ts'
import { callXrpc, describe, type XrpcAnswer, type XrpcCall } from './xrpc.ts'

/** A post of 1970: no account has it. */
const NO_POST = '2222222222222'

/**
 * Tries each thing the channel needs by itself: the server it logs in at, the login, the server where the account
 * lives, the AppView that knows who mentions it, and the right to post, by deleting a post that does not exist.
 */
export async function check(channel: ConnectedChannel, context: ConnectorContext): Promise<ChannelCheck[]> {
  const { service_url } = loginOf(channel)
  const server = await tried('server', async () => {
    const answer = await callXrpc(context, service_url, { nsid: 'com.atproto.server.describeServer', params: {} })
    return verdict(answer, `${service_url} answers`, `${service_url} does not answer as a Bluesky server does`)
  })
  if (!server.ok) return [server]
  let session: BlueskySession | undefined
  const login = await tried('login', async () => {
    session = await openSession(channel, context)
    return { ok: true, detail: `Logged in as ${session.did}` }
  })
  if (!session) return [server, login]
  return [server, login, await checkAccount(session), await checkAppView(session), await checkPosting(session)]
}

const accountBody = z.looseObject({ active: z.boolean().optional(), status: z.string().optional() })

function checkAccount(session: BlueskySession): Promise<ChannelCheck> {
  return tried('account', async () => {
    const answer = await session.call({ nsid: 'com.atproto.server.getSession', params: {} })
    const { active, status } = accountBody.safeParse(answer.body).data ?? {}
    if (answer.ok && active === false) return { ok: false, detail: `The account is ${status ?? 'not active'}` }
    return verdict(answer, `The account lives at ${session.pds_url}`, `${session.pds_url} does not let the account in`)
  })
}

function checkAppView(session: BlueskySession): Promise<ChannelCheck> {
  return tried('app_view', async () => {
    const call = { nsid: 'app.bsky.notification.listNotifications', params: { limit: 1 } }
    return verdict(await session.call(call), 'Mentions and replies can be read', 'Mentions and replies cannot be read')
  })
}

/** App passwords, with and without access to direct messages, and the account's own password. */
const MAY_POST = /^com\.atproto\.(access|appPass|appPassPrivileged)$/

function checkPosting(session: BlueskySession): Promise<ChannelCheck> {
  const { did: repo, scope } = session
  return tried('posting', async () => {
    if (scope?.startsWith('com.atproto.') && !MAY_POST.test(scope))
      return { ok: false, detail: `This login may not post: its scope is ${scope}` }
    const input = { repo, collection: POST_COLLECTION, rkey: NO_POST }
    const call: XrpcCall = { nsid: 'com.atproto.repo.deleteRecord', input }
    return verdict(await session.call(call), 'Replies can be posted', 'Replies cannot be posted')
  })
}

type Verdict = Pick<ChannelCheck, 'ok' | 'detail'>

function verdict(answer: XrpcAnswer, good: string, bad: string): Verdict {
  return answer.ok ? { ok: true, detail: good } : { ok: false, detail: `${bad}: ${describe(answer)}` }
}

async function tried(name: string, attempt: () => Promise<Verdict>): Promise<ChannelCheck> {
  try {
    return { name, ...(await attempt()) }
  } catch (error) {
    if (!(error instanceof ChannelAuthError || error instanceof NetworkUnavailable)) throw error
    return { name, ok: false, detail: error.message }
  }
}
