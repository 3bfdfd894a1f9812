import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Account, didOf, type Listed, listedOf } from './bluesky-account.ts'
import { answerBadly, type Fault, isPageFault, type Misbehaviour, type PageFault } from './misbehaviour.ts'
import { seededRandom, shuffled } from './random.ts'
import type { Recorder } from './record.ts'
import { receiveReply, receiverOf } from './reply-receiver.ts'
import { type StoryOptions, tellStory } from './story.ts'

type Answer = { status: number; body: unknown; listed?: Listed[] }
type Call = {
  nsid: string
  account: Account | undefined
  query: URLSearchParams
  input: Record<string, unknown>
  token: string
}

const refusal = (status: number, error: string): Answer => ({ status, body: { error, message: 'refused' } })

/** The part of Bluesky that Parley calls: sessions, notifications from the newest on, records. */
export class FakeBluesky {
  readonly accounts = new Map<string, Account>()
  readonly #faults = new Map<string, Misbehaviour[]>()
  readonly #record: Recorder
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  #running = 0
  #cursors = 0

  constructor(record: Recorder) {
    this.#record = record
  }

  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    const { port } = this.#server.address() as { port: number }
    return `http://127.0.0.1:${port}`
  }

  addAccount(identifier: string, password: string): void {
    const fresh = { epoch: 1, passwordWorks: true, published: new Map(), posts: new Map() }
    this.accounts.set(identifier, { identifier, password, did: didOf(identifier), ...fresh })
  }

  /** People mention the account, or answer it. */
  publish(identifier: string, story: StoryOptions): void {
    const uris = new Map<string, string>()
    const account = this.#account(identifier)
    for (const event of tellStory(story)) {
      if (event.deleted) continue
      const listed = listedOf(event, uris)
      this.#record({ kind: 'emitted', channel: identifier, event: listed.event! })
      account.published.set(listed.uri, listed)
    }
  }

  /** Something is listed that is no message as Bluesky describes them. */
  publishPoison(identifier: string, uri: string, indexed_at: string, notification: Record<string, unknown>): void {
    const listed = { uri, indexed_at, notification: { uri, indexedAt: indexed_at, ...notification } }
    this.#account(identifier).published.set(uri, listed)
  }

  /** Its author deletes a message; nobody is told. */
  withdraw(identifier: string, uri: string): void {
    if (!this.#account(identifier).published.delete(uri)) throw new Error(`no message ${uri}`)
  }

  misbehave(identifier: string, faults: Misbehaviour[]): void {
    this.#faults.set(
      identifier,
      faults.map(fault => ({ ...fault })),
    )
  }

  /** The password works again, or another one does. */
  restore(identifier: string): void {
    this.#account(identifier).passwordWorks = true
    this.#faults.delete(identifier)
  }

  #account(identifier: string): Account {
    const account = this.accounts.get(identifier)
    if (!account) throw new Error(`no account ${identifier}`)
    return account
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {})
    this.#running += 1
    response.once('close', () => {
      this.#running -= 1
    })
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url!, 'http://network')
    const text = Buffer.concat(chunks).toString()
    const input = (text ? JSON.parse(text) : {}) as Record<string, unknown>
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    const receiver = receiverOf(url.pathname)
    const identifier = receiver ?? token.split('|')[1] ?? String(input.identifier ?? '')
    const nsid = receiver ? 'reply' : url.pathname.replace('/xrpc/', '')
    const account = this.accounts.get(identifier)
    const fault = this.#nextFault(identifier, nsid)
    const paged = url.searchParams.has('cursor')
    const facts = { at: Date.now(), nsid, fault: fault?.kind ?? null, running: this.#running, paged }
    this.#record({ kind: 'call', channel: identifier, ...facts })
    if (receiver) return this.#receive(receiver, input, fault, response)
    // Whoever is told that it was wrong, or to wait, was not heard; a 5xx may come after the work is done.
    if (fault?.kind === 'status' && fault.status < 500) return answerBadly(fault, response, '')
    const call: Call = { nsid, account, query: url.searchParams, input, token }
    const answer = this.#answer(call, isPageFault(fault) ? fault : null)
    const json = JSON.stringify(answer.body)
    if (fault && !isPageFault(fault)) return answerBadly(fault, response, json)
    const ids = (answer.listed ?? []).flatMap(({ event }) => (event ? [event.id] : []))
    if (ids.length > 0) response.once('finish', () => this.#record({ kind: 'acknowledged', channel: identifier, ids }))
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(json)
  }

  /** Not of Bluesky: a shop that takes replies, and misbehaves like the others. */
  async #receive(receiver: string, input: unknown, fault: Fault | null, response: ServerResponse): Promise<void> {
    const wrong = fault && !isPageFault(fault) ? fault : null
    const json = receiveReply(receiver, input, wrong, this.#record)
    if (wrong) return answerBadly(wrong, response, json)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(json)
  }

  #nextFault(identifier: string, nsid: string) {
    const faults = this.#faults.get(identifier) ?? []
    const known = faults.find(fault => (fault.nsid ?? 'app.bsky.notification.listNotifications') === nsid)
    if (!known) return null
    if (known.after) {
      known.after -= 1
      return null
    }
    if (known.times !== undefined) known.times -= 1
    if (known.times === 0) faults.splice(faults.indexOf(known), 1)
    return known.fault
  }

  #answer(call: Call, fault: PageFault | null): Answer {
    const { account, nsid, input } = call
    if (nsid === 'com.atproto.server.createSession') {
      if (account?.password !== input.password || !account?.passwordWorks) return refusal(401, 'AuthenticationRequired')
      return { status: 200, body: sessionOf(account) }
    }
    if (account && fault?.kind === 'revoked') {
      account.epoch += 1
      account.passwordWorks = false
    }
    const kind = nsid === 'com.atproto.server.refreshSession' ? 'refresh' : 'access'
    if (!account || call.token !== tokenOf(account, kind)) return refusal(401, 'AuthMissing')
    switch (nsid) {
      case 'com.atproto.server.refreshSession':
        return { status: 200, body: sessionOf(account) }
      case 'app.bsky.notification.listNotifications':
        return this.#list(account, call.query, fault)
      case 'com.atproto.repo.putRecord':
        return this.#put(account, input)
      case 'com.atproto.repo.getRecord': {
        const stored = account.posts.get(call.query.get('rkey') ?? '')
        return stored
          ? { status: 200, body: { cid: stored.cid, value: stored.record } }
          : refusal(400, 'RecordNotFound')
      }
      case 'app.bsky.feed.getPosts':
        return {
          status: 200,
          body: {
            posts: call.query
              .getAll('uris')
              .filter(uri => account.published.has(uri))
              .map(uri => ({ uri })),
          },
        }
      case 'app.bsky.actor.getProfile':
        return { status: 200, body: { did: call.query.get('actor'), handle: 'handle.invalid' } }
      default:
        return refusal(400, 'InvalidRequest')
    }
  }

  #list(account: Account, query: URLSearchParams, fault: PageFault | null): Answer {
    const all = [...account.published.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? 1 : -1))
    const [after = ''] = (query.get('cursor') ?? '').split('~')
    if (after && fault?.kind === 'cursor-refused') return refusal(502, 'InternalServerError')
    const limit = Number(query.get('limit') ?? 50)
    let from = after === '' ? 0 : all.findIndex(item => keyOf(item) < after)
    if (from === -1) from = all.length
    if (fault?.kind === 'empty-page')
      return { status: 200, body: { notifications: [], cursor: this.#cursor(after || '\uffff') } }
    if (fault?.kind === 'overlap') from = Math.max(0, from - fault.items)
    if (fault?.kind === 'same-page') from = Math.max(0, from - limit)
    let listed = all.slice(from, from + limit)
    const last = listed.at(-1)
    if (fault?.kind === 'shuffled') listed = shuffled(seededRandom(fault.seed), listed)
    const cursor = last && from + limit < all.length ? { cursor: this.#cursor(keyOf(last)) } : {}
    return { status: 200, body: { notifications: listed.map(item => item.notification), ...cursor }, listed }
  }

  /** No two cursors are the same, as nothing promises that they are. */
  #cursor(key: string): string {
    this.#cursors += 1
    return `${key}~${this.#cursors}`
  }

  #put(account: Account, input: Record<string, unknown>): Answer {
    const rkey = String(input.rkey)
    const uri = `at://${account.did}/app.bsky.feed.post/${rkey}`
    const record = input.record as { text: string }
    const stored = account.posts.get(rkey)
    if (stored && JSON.stringify(stored.record) !== JSON.stringify(record)) return refusal(400, 'InvalidSwap')
    if (stored) return { status: 200, body: { uri, cid: stored.cid } }
    const cid = `bafy-${rkey}`
    this.#record({ kind: 'accepted', channel: account.identifier, uri, text: record.text })
    account.posts.set(rkey, { cid, record })
    return { status: 200, body: { uri, cid, commit: { cid, rev: rkey } } }
  }
}

const keyOf = ({ indexed_at, uri }: Listed) => `${indexed_at} ${uri}`

function tokenOf({ identifier, epoch }: Account, kind: 'access' | 'refresh'): string {
  return `${kind}|${identifier}|${epoch}`
}

function sessionOf(account: Account) {
  const [accessJwt, refreshJwt] = [tokenOf(account, 'access'), tokenOf(account, 'refresh')]
  return { did: account.did, handle: account.identifier, accessJwt, refreshJwt, active: true }
}
