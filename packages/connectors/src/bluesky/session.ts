import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { usedUpUntil } from '../rate-limit.ts'
import { type BlueskyLogin, loginOf } from './settings.ts'
import { bodyOf, callXrpc, describe, failureOf, type XrpcAnswer, type XrpcCall } from './xrpc.ts'

/** What is saved for the next job. `identifier` and `service_url` tell whether it still belongs to the channel. */
const savedSession = z.object({
  did: z.string(),
  handle: z.string(),
  accessJwt: z.string(),
  refreshJwt: z.string(),
  /** Where the account lives, from its DID document: calls go there, logins to `service_url`. */
  pds_url: z.string(),
  service_url: z.string(),
  identifier: z.string(),
})
export type SavedSession = z.infer<typeof savedSession>

const sessionBody = z.looseObject({
  did: z.string().startsWith('did:'),
  handle: z.string(),
  accessJwt: z.string().min(1),
  refreshJwt: z.string().min(1),
  didDoc: z.unknown().optional(),
  active: z.boolean().optional(),
  status: z.string().optional(),
})

const didDocument = z.looseObject({
  service: z.array(z.looseObject({ id: z.string(), type: z.string(), serviceEndpoint: z.unknown() })),
})

/**
 * The channel's session: the saved one, or a new login when there is none. Logins are limited to 30 in five minutes
 * and 300 a day per account, so a job never logs in while the saved tokens can still be refreshed.
 * @throws ChannelAuthError when the network refuses the credentials, XrpcFailure when it cannot be asked
 */
export async function openSession(channel: ConnectedChannel, context: ConnectorContext): Promise<BlueskySession> {
  const login = loginOf(channel)
  const kept = tokensFor(login, channel.session)
  const tokens =
    kept ??
    (await renewed(context, login, {
      stale: saved => saved === null,
      renew: async () => sameAccount(await logIn(login, context), channel.external_id),
    }))
  return new BlueskySession(login, tokens, channel.external_id, context)
}

const READS = { calls: 'all', cost: 1 } as const
/** Creating a record costs three points of the 5,000 that an account has in an hour. */
const WRITES = { calls: 'writes', cost: 3 } as const

/** Saved tokens, if they are of this login. */
function tokensFor(login: BlueskyLogin, session: Record<string, unknown> | null): SavedSession | null {
  const saved = savedSession.safeParse(session)
  if (!saved.success) return null
  const same = saved.data.identifier === login.identifier && saved.data.service_url === login.service_url
  return same ? saved.data : null
}

type Renewal = {
  stale: (saved: SavedSession | null) => boolean
  renew: (saved: SavedSession | null) => Promise<SavedSession>
}

/** One worker renews, and the others get what it saved. */
async function renewed(context: ConnectorContext, login: BlueskyLogin, renewal: Renewal): Promise<SavedSession> {
  const session = await context.renewSession(
    saved => renewal.stale(tokensFor(login, saved)),
    saved => renewal.renew(tokensFor(login, saved)),
  )
  return savedSession.parse(session)
}

/** Calls in the name of one account. Expired tokens are renewed, by one worker, and saved before they are used. */
export class BlueskySession {
  readonly #login: BlueskyLogin
  readonly #context: ConnectorContext
  readonly #external_id: string | null
  #tokens: SavedSession
  #renewal: Promise<void> | null = null

  constructor(login: BlueskyLogin, tokens: SavedSession, external_id: string | null, context: ConnectorContext) {
    this.#login = login
    this.#context = context
    this.#external_id = external_id
    this.#tokens = sameAccount(tokens, external_id)
  }

  get did(): string {
    return this.#tokens.did
  }

  /** Where the account lives. */
  get pds_url(): string {
    return this.#tokens.pds_url
  }

  /** What the account's own server says we may do, in its token; null when the token cannot be read. */
  get scope(): string | null {
    return scopeOf(this.#tokens.accessJwt)
  }

  /**
   * One call. Any answer but a refusal of our tokens is returned as it came.
   * @throws ChannelAuthError when new tokens are refused too, XrpcFailure when no answer came
   */
  async call(call: XrpcCall): Promise<XrpcAnswer> {
    const token = this.#tokens.accessJwt
    const answer = await this.#callWithToken(call)
    if (closesAccount(answer)) throw new ChannelAuthError(`Bluesky refuses this account: ${describe(answer)}`)
    if (!refusesToken(answer)) return answer
    // Another call of this job may have renewed them meanwhile.
    if (token === this.#tokens.accessJwt) await this.#renewOnce()
    const second = await this.#callWithToken(call)
    if (refusesToken(second)) throw new ChannelAuthError(`Bluesky refuses this session: ${describe(second)}`)
    return second
  }

  async #callWithToken(call: XrpcCall): Promise<XrpcAnswer> {
    const answer = await callXrpc(this.#context, this.#tokens.pds_url, call, this.#tokens.accessJwt)
    // Uploads have a limit of their own, and a small one.
    const limit = call.bytes ? null : call.input === undefined ? READS : WRITES
    const until = limit && answer.ok ? usedUpUntil(answer.headers, this.#context.now(), limit.cost) : null
    if (limit && until) await this.#context.limitReached(limit.calls, until)
    return answer
  }

  #renewOnce(): Promise<void> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null
    })
    return this.#renewal
  }

  /**
   * A crash after the refresh and before its tokens are saved costs nothing: the server takes a used refresh token again
   * for two hours. One that is refused may mean nothing worse than 90 idle days, so the app password has the last word.
   */
  async #renew(): Promise<void> {
    const refused = this.#tokens
    const tokens = await renewed(this.#context, this.#login, {
      stale: saved => saved === null || saved.accessJwt === refused.accessJwt,
      renew: async saved => sameAccount(await this.#refresh(saved ?? refused), this.#external_id ?? refused.did),
    })
    this.#tokens = sameAccount(tokens, this.#external_id ?? refused.did)
  }

  async #refresh(tokens: SavedSession): Promise<SavedSession> {
    const call = { nsid: 'com.atproto.server.refreshSession', input: null }
    const answer = await callXrpc(this.#context, this.#login.service_url, call, tokens.refreshJwt)
    if (answer.ok) return sessionOf(this.#login, answer, this.#context.now(), tokens.pds_url)
    if (!refusesToken(answer)) throw failureOf(answer, this.#context.now())
    return logIn(this.#login, this.#context)
  }
}

/** @throws ChannelAuthError, XrpcFailure */
async function logIn(login: BlueskyLogin, context: ConnectorContext): Promise<SavedSession> {
  const answer = await callXrpc(context, login.service_url, {
    nsid: 'com.atproto.server.createSession',
    input: { identifier: login.identifier, password: login.app_password },
  })
  if (answer.error === 'AuthFactorTokenRequired')
    throw new ChannelAuthError('Bluesky asks for a second factor: connect the account with an app password')
  if (answer.error && [400, 401, 403].includes(answer.status))
    throw new ChannelAuthError(`Bluesky refuses this login: ${describe(answer)}`)
  return sessionOf(login, answer, context.now(), login.service_url)
}

function sessionOf(login: BlueskyLogin, answer: XrpcAnswer, now: Date, fallback_url: string): SavedSession {
  const body = bodyOf(answer, sessionBody, now)
  if (body.active === false) throw new ChannelAuthError(`This Bluesky account is ${body.status ?? 'not active'}`)
  const { did, handle, accessJwt, refreshJwt } = body
  const pds_url = pdsUrl(body.didDoc, login.service_url) ?? fallback_url
  return { did, handle, accessJwt, refreshJwt, pds_url, ...pick(login) }
}

function pick({ service_url, identifier }: BlueskyLogin) {
  return { service_url, identifier }
}

/** The account's server by its DID document, never less protected than the server the document came from. */
function pdsUrl(didDoc: unknown, service_url: string): string | null {
  const document = didDocument.safeParse(didDoc)
  if (!document.success) return null
  const service = document.data.service.find(
    ({ id, type }) => id.endsWith('#atproto_pds') && type === 'AtprotoPersonalDataServer',
  )
  const endpoint = typeof service?.serviceEndpoint === 'string' ? service.serviceEndpoint : ''
  if (!URL.canParse(endpoint)) return null
  const url = new URL(endpoint)
  return url.protocol === 'https:' || url.protocol === new URL(service_url).protocol ? url.origin : null
}

/** Replies must never leave under another name because somebody typed another login into the channel. */
function sameAccount(tokens: SavedSession, did: string | null): SavedSession {
  if (did === null || tokens.did === did) return tokens
  throw new ChannelAuthError(`This login belongs to ${tokens.did}, the channel is connected to ${did}`)
}

/** Our own account is deactivated or taken down, which no new token helps; a 400 of this name is about a customer's. */
function closesAccount({ status, error }: XrpcAnswer): boolean {
  return status === 401 && /^Account(Deactivated|Suspended|Takedown)$/.test(error ?? '')
}

/** Expired or malformed tokens come as 400, missing and revoked ones as 401 (seen on PDS 0.4.217). */
function refusesToken(answer: XrpcAnswer): boolean {
  return answer.status === 401 || (answer.status === 400 && /^(Expired|Invalid)Token$/.test(answer.error ?? ''))
}

const claims = z.looseObject({ scope: z.string() })

/** The claims of a token; nothing is believed for them, so its signature is not looked at. */
function scopeOf(jwt: string): string | null {
  try {
    return claims.parse(JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())).scope
  } catch {
    return null
  }
}
