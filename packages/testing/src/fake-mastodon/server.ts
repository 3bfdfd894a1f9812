import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { answerBadly } from '../fake-network/misbehaviour.ts'
import type { View } from './entities.ts'
import { Limits, limitHeaders } from './limits.ts'
import { Faults, type MastodonFault } from './misbehaviour.ts'
import type { Token } from './model.ts'
import { readBody } from './read-body.ts'
import type { MastodonRecorder } from './record.ts'
import { type Answer, type Call, routes } from './routes.ts'
import { Refused, ServerState } from './state.ts'
import { Streams } from './streams.ts'

/** What became of a post under its key: the status's id once there is one. */
type Keyed = { running: true } | { running: false; status_id: string }

const refusal = (status: number, error: string): Answer => ({ status, body: { error } })

/** The part of Mastodon's API that Parley and its customers call, over real HTTP. */
export class FakeMastodon {
  readonly state: ServerState
  readonly faults = new Faults()
  readonly streams: Streams
  readonly #record: MastodonRecorder
  readonly #limits = new Limits()
  readonly #keys = new Map<string, Keyed>()
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  #origin = ''

  constructor(record: MastodonRecorder) {
    this.#record = record
    this.state = new ServerState(record)
    this.streams = new Streams(record)
    this.state.onNotification = (to, event, status) => this.streams.tell(this.#view(), to, event, status)
  }

  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    const { port } = this.#server.address() as { port: number }
    this.#origin = `http://127.0.0.1:${port}`
    return this.#origin
  }

  beKnownAs(origin: string): void {
    this.#origin = origin
  }

  #view(): View {
    return { origin: this.#origin, sparse: this.state.traits.sparse }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {})
    const url = new URL(request.url!, this.#origin)
    const { name, id } = nameOf(request.method!, url)
    const bearer = request.headers.authorization?.replace('Bearer ', '') ?? url.searchParams.get('access_token') ?? ''
    const token = this.state.tokens.get(bearer)
    const header = request.headers['idempotency-key']
    const idempotency_key = typeof header === 'string' ? header : null
    const body = await readBody(request).catch(() => null)
    if (!body) return void response.destroy()
    const fault = this.faults.next(name)
    const facts = { at: Date.now(), call: name, account: token?.account?.acct ?? null, idempotency_key }
    this.#record({ kind: 'call', ...facts, fault: fault?.kind ?? null })
    if (fault?.kind === 'cut') return void response.socket?.resetAndDestroy()
    if (name === 'GET /api/v1/streaming/user/notification' && this.state.traits.streams && !fault) {
      if (!token?.account) return send(response, refusal(401, 'Invalid access token'), {})
      return this.streams.open(request, response, token.account)
    }
    const limit = this.#limits.count(bearer, this.state.traits)
    const headers = this.state.traits.sparse ? {} : limit.headers
    const early = limit.exceeded ? refusal(429, 'Too many requests') : earlyAnswer(fault, headers)
    if (early) return send(response, early, { ...headers, ...early.headers })
    const call: Call = {
      state: this.state,
      record: this.#record,
      view: this.#view(),
      url,
      id,
      token,
      idempotency_key,
      ...body,
    }
    const answer = await this.#once(call, name, fault)
    if (!fault || fault.kind === 'slow-work') return send(response, answer, headers)
    if (!isAnswerFault(fault)) return send(response, answer, headers)
    return answerBadly(fault, response, JSON.stringify(answer.body))
  }

  /** A post's key is held while it is at work, and for as long as the server remembers it. */
  async #once(call: Call, name: string, fault: MastodonFault | null): Promise<Answer> {
    const account = call.token?.account
    const keyed = name === 'POST /api/v1/statuses' && call.idempotency_key && account && this.state.traits.knows_repeats
    const key = `${account?.id} ${call.idempotency_key}`
    const before = keyed ? this.#keys.get(key) : undefined
    if (before?.running) return refusal(503, 'There was a temporary problem serving your request, please try again')
    if (before) {
      this.#record({ kind: 'repeated', id: before.status_id, idempotency_key: call.idempotency_key! })
      // The body is not compared, and a first post that is gone is not posted again.
      return attempt({ ...call, id: before.status_id }, 'GET /api/v1/statuses/:id')
    }
    if (keyed) this.#keys.set(key, { running: true })
    if (fault?.kind === 'slow-work') await delay(fault.ms)
    const answer = attempt(call, name)
    const status_id = (answer.body as { id?: string }).id
    if (keyed && answer.status === 200 && status_id) this.#keys.set(key, { running: false, status_id })
    else if (keyed) this.#keys.delete(key)
    return answer
  }
}

function attempt(call: Call, name: string): Answer {
  const route = routes[name]
  if (!route) return refusal(404, 'Record not found')
  const refused = route.scope === null ? undefined : whyNot(call.token, route.scope)
  if (refused) return refused
  try {
    return route.handle(call, call.token?.account as NonNullable<Token['account']>)
  } catch (error) {
    if (error instanceof Refused) return refusal(error.status, error.message)
    throw error
  }
}

function whyNot(token: Token | undefined, scope: string): Answer | undefined {
  if (!token) return refusal(401, 'The access token is invalid')
  const [wide] = scope.split(':') as [string]
  if (!token.scopes.includes(scope) && !token.scopes.includes(wide))
    return refusal(403, 'This action is outside the authorized scopes')
  return token.account ? undefined : refusal(422, 'This method requires an authenticated user')
}

function earlyAnswer(fault: MastodonFault | null, headers: Record<string, string>): Answer | undefined {
  if (fault?.kind === 'limited') {
    const limited = limitHeaders(300, 0, new Date(Date.now() + fault.reset_ms))
    return { ...refusal(429, 'Too many requests'), headers: { ...headers, ...limited } }
  }
  if (fault?.kind === 'refused') {
    const after: Record<string, string> = fault.retry_after ? { 'retry-after': fault.retry_after } : {}
    return { ...refusal(fault.status, fault.error), headers: after }
  }
  if (fault?.kind === 'page')
    return {
      status: fault.status,
      body: '<!doctype html><title>Bad gateway</title>',
      headers: { 'content-type': 'text/html' },
    }
  return undefined
}

function isAnswerFault(fault: MastodonFault): fault is Parameters<typeof answerBadly>[0] {
  return !['cut', 'slow-work', 'limited', 'refused', 'page'].includes(fault.kind)
}

function send(response: ServerResponse, answer: Answer, headers: Record<string, string>): void {
  const page = typeof answer.body === 'string'
  response.writeHead(answer.status, {
    'content-type': 'application/json; charset=utf-8',
    ...headers,
    ...answer.headers,
  })
  response.end(page ? answer.body : JSON.stringify(answer.body))
}

/** The route that a request means, and what stands for its `:id`. */
function nameOf(method: string, url: URL): { name: string; id: string } {
  const path = url.pathname
  if (routes[`${method} ${path}`]) return { name: `${method} ${path}`, id: '' }
  const parts = path.split('/')
  for (const [at, part] of parts.entries()) {
    const name = `${method} ${parts.with(at, ':id').join('/')}`
    if (routes[name]) return { name, id: decodeURIComponent(part) }
  }
  return { name: `${method} ${path}`, id: '' }
}
