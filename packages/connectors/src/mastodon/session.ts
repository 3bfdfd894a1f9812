import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { usedUpUntil } from '../rate-limit.ts'
import { callMastodon, describe, failureOf, goodBody, type MastodonAnswer, type MastodonCall } from './client.ts'
import { loginOf, type MastodonLogin } from './settings.ts'

/** Renewed tokens; `granted_to` is the token they descend from, so that those of replaced credentials are not used. */
const savedTokens = z.object({
  access_token: z.string(),
  refresh_token: z.string().optional(),
  granted_to: z.string(),
})
type Tokens = z.infer<typeof savedTokens>

const tokenBody = z.looseObject({ access_token: z.string().min(1), refresh_token: z.string().min(1).optional() })

/** Calls in the name of one account. A token that has run out is renewed, where the server has given what it takes. */
export class MastodonSession {
  readonly server_url: string
  readonly #login: MastodonLogin
  readonly #context: ConnectorContext
  #tokens: Tokens

  constructor(channel: ConnectedChannel, context: ConnectorContext) {
    this.#login = loginOf(channel)
    this.#context = context
    this.#tokens = this.#saved(channel.session) ?? { ...this.#login, granted_to: this.#login.access_token }
    this.server_url = this.#login.server_url
  }

  get access_token(): string {
    return this.#tokens.access_token
  }

  /**
   * One call. Any answer but a refusal of our token is returned as it came.
   * @throws ChannelAuthError, MastodonFailure when no answer came
   */
  async call(call: MastodonCall): Promise<MastodonAnswer> {
    const answer = await this.#callOnce(call)
    if (!refusesToken(answer)) return answer
    if (!this.#tokens.refresh_token) throw refused(answer)
    await this.#renew()
    const second = await this.#callOnce(call)
    if (refusesToken(second)) throw refused(second)
    return second
  }

  /** The body of a good answer. @throws ChannelAuthError, MastodonFailure */
  async read<T>(call: MastodonCall, schema: z.ZodType<T>): Promise<T> {
    return goodBody(await this.call(call), schema, this.#context.now())
  }

  async #callOnce(call: MastodonCall): Promise<MastodonAnswer> {
    const answer = await callMastodon(this.#context, this.server_url, call, this.#tokens.access_token)
    const calls = limitedCalls(call)
    const until = calls && answer.ok ? usedUpUntil(answer.headers, this.#context.now()) : null
    if (calls && until) await this.#context.limitReached(calls, until)
    return answer
  }

  #saved(session: Record<string, unknown> | null): Tokens | undefined {
    const { data } = savedTokens.safeParse(session)
    return data?.granted_to === this.#login.access_token ? data : undefined
  }

  async #renew(): Promise<void> {
    const worn = this.#tokens.access_token
    const stale = (session: Record<string, unknown> | null) => (this.#saved(session)?.access_token ?? worn) === worn
    const renewed = await this.#context.renewSession(stale, session =>
      this.#refresh(this.#saved(session)?.refresh_token ?? this.#tokens.refresh_token!),
    )
    this.#tokens = savedTokens.parse(renewed)
  }

  async #refresh(refresh_token: string): Promise<Tokens> {
    const { client_id, client_secret, access_token: granted_to } = this.#login
    const json = { grant_type: 'refresh_token', refresh_token, client_id, client_secret }
    const answer = await callMastodon(this.#context, this.server_url, { method: 'POST', path: '/oauth/token', json })
    if ([400, 401, 403].includes(answer.status) && !isPage(answer)) throw refused(answer)
    if (!answer.ok) throw failureOf(answer, this.#context.now())
    return { refresh_token, ...goodBody(answer, tokenBody, this.#context.now()), granted_to }
  }
}

/** Uploads and deletions have limits of their own: 30 in half an hour. */
function limitedCalls({ method = 'GET', path }: MastodonCall): 'all' | 'writes' | null {
  if (method === 'GET') return 'all'
  return method === 'DELETE' || path.startsWith('/api/v2/media') ? null : 'writes'
}

function refused(answer: MastodonAnswer): ChannelAuthError {
  return new ChannelAuthError(`The server refuses this account's token: ${describe(answer)}`)
}

/** A page is something in between that talks, and knows nothing of tokens. */
const isPage = ({ headers }: MastodonAnswer) => /html/.test(headers.get('content-type') ?? '')

const refusesToken = (answer: MastodonAnswer) => answer.status === 401 && !isPage(answer)
