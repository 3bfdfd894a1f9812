import { createHmac, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBlobStore } from '@parley/blob-store'
import { createLogger, type Logger } from '@parley/config'
import { createEgressFetch } from '@parley/connectors'
import { acceptInbound, ledgerEntries, triageEvents } from '@parley/core'
import {
  type Database,
  type EventRow,
  generateApiKey,
  generateSessionToken,
  hashToken,
  insertApiKey,
  insertConversations,
  insertInbox,
  insertMessage,
  insertNotifications,
  insertSession,
  insertUser,
  insertWorkspace,
  newId,
  openDatabase,
  parkInboundEvent,
  type Trx,
} from '@parley/db'
import type { Role } from '@parley/domain'
import { Hints, openWakeUps, type QueueBackend } from '@parley/queue'
import { firstWorkspace, TEST_SECRET_KEY, testDatabase, testEnvironment } from '@parley/testing'
import { lexiconModel } from '@parley/triage'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Test } from 'tap'
import { buildApp } from '../src/app.ts'
import type { ApiContext } from '../src/context.ts'
import { createEventStreams, type EventStreamsOptions } from '../src/event-streams.ts'
import { createMetrics } from '../src/metrics.ts'

/** Answers are read as a client reads them: nothing is known of their shape. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Json = any

export type Answer = {
  status: number
  body: Json
  text: string
  headers: Record<string, string | number | string[] | undefined>
}

/** Small, so that a test need not move megabytes to exceed it. */
export const MAX_ATTACHMENT_BYTES = 256 * 1024

export type Tenant = { workspace_id: string; inbox_id: string; key: string }

export type TestApi = {
  app: FastifyInstance
  ctx: ApiContext
  db: Database
  /** Asks the database past its row-level security. */
  query: (sql: string) => Promise<Json[]>
  /** What `ctx.now` tells; move it with `clock.now = …`. */
  /** Where blobs are kept. */
  dataDir: string
  clock: { now: Date }
  /** Every line written to the log, as text. */
  log: string[]
  /** The workspace whose keys the tests use, and one that is none of its business. */
  ours: Tenant
  theirs: Tenant
  inject: (options: InjectOptions) => Promise<Answer>
  /** Calls with the administrator's key of our workspace, unless the headers bring another one. */
  call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
  listen: () => Promise<{ url: string; port: number }>
}

/** The API in this process, on a database of its own with two workspaces. Queues are in Postgres. */
export async function testApi(t: Test, options: { streams?: EventStreamsOptions } = {}): Promise<TestApi> {
  const { db, url } = await testDatabase(t)
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-test-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const clock = { now: new Date() }
  const log: string[] = []
  const logger = capturingLogger(log)
  const backend: QueueBackend = { kind: 'postgres', url }
  const hints = new Hints(backend, { onLost: (queue, err) => logger.warn({ queue, err }, 'hint lost') })
  const wakeUps = openWakeUps(backend)
  const streams = createEventStreams(
    { db, wakeUps, now: () => clock.now, onError: err => logger.error({ err }, 'event stream') },
    options.streams,
  )
  const ctx: ApiContext = {
    db,
    hints,
    wakeUps,
    streams,
    metrics: createMetrics(),
    now: () => clock.now,
    monotonicMs: () => performance.now(),
    logger,
    config: {
      PARLEY_ALLOW_PRIVATE_TARGETS: [],
      PARLEY_LEDGER_DAYS: 30,
      PARLEY_MAX_ATTACHMENT_BYTES: MAX_ATTACHMENT_BYTES,
      PARLEY_SECRET_KEY: TEST_SECRET_KEY,
      PARLEY_TRUSTED_PROXIES: ['10.0.0.0/8'],
    },
    fetch: createEgressFetch([]),
    blobs: openBlobStore({ PARLEY_DATA_DIR: dataDir, PARLEY_S3_REGION: '' }),
  }
  const app = await buildApp(ctx)
  // Before the teardown of the database, which was asked for earlier.
  t.teardown(async () => {
    streams.close()
    await app.close()
    await Promise.allSettled([hints.close(), wakeUps.close()])
  })
  const everything = openDatabase({ url: await superuserUrl(url), poolSize: 1 })
  t.teardown(() => everything.close())
  const ours = await firstWorkspace(db, clock.now)
  const theirs = await addWorkspace(db, clock.now)

  const inject = async (request: InjectOptions): Promise<Answer> => {
    const { statusCode: status, body: text, headers } = await app.inject(request)
    const json = /json/.test(String(headers['content-type'])) && text !== ''
    return { status, body: json ? JSON.parse(text) : undefined, text, headers }
  }
  return {
    app,
    ctx,
    db,
    query: async sql => (await everything.pool.query(sql)).rows,
    clock,
    dataDir,
    log,
    ours,
    theirs,
    inject,
    call: (method, path, body, headers = {}) =>
      inject({
        method: method as 'GET',
        url: path,
        headers: {
          authorization: `Bearer ${ours.key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    listen: async () => {
      await app.listen({ port: 0, host: '127.0.0.1' })
      const { port } = app.server.address() as { port: number }
      return { url: `http://127.0.0.1:${port}`, port }
    },
  }
}

/** The product's own logger, serializers and all, writing into an array. */
function capturingLogger(lines: string[]): Logger {
  const logger = createLogger('debug', 'api')
  const stream = Object.getOwnPropertySymbols(logger).find(symbol => symbol.description === 'pino.stream')!
  Object.assign(logger, { [stream]: { write: (line: string) => lines.push(line) } })
  return logger
}

async function superuserUrl(databaseUrl: string): Promise<string> {
  const url = new URL((await testEnvironment()).postgresUrl)
  url.pathname = new URL(databaseUrl).pathname
  return url.href
}

async function addWorkspace(db: Database, now: Date): Promise<Tenant> {
  const workspace_id = newId(now)
  const inbox_id = newId(now)
  await db.inWorkspace(workspace_id, async trx => {
    await insertWorkspace(trx, { id: workspace_id, name: 'Somebody else', created_at: now })
    await insertInbox(trx, { id: inbox_id, name: 'Their inbox', sla_policy_id: null, created_at: now })
  })
  const { key } = await addKey(db, workspace_id, 'admin', { now })
  return { workspace_id, inbox_id, key }
}

/** A key of that role; it acts as a person of its own unless `person` is false. */
export async function addKey(
  db: Database,
  workspace_id: string,
  role: Role,
  options: { now?: Date; person?: boolean; expires_at?: Date | null; revoked_at?: Date | null } = {},
) {
  const { now = new Date(), person = true, expires_at = null, revoked_at = null } = options
  const key = generateApiKey()
  const id = newId(now)
  const user_id = person ? newId(now) : null
  await db.inWorkspace(workspace_id, async trx => {
    if (user_id) await insertUser(trx, { id: user_id, name: `A ${role}`, email: null, role, created_at: now })
    const stamps = { created_at: now, expires_at, revoked_at }
    const row = { id, name: 'Test key', role, user_id, key_hash: hashToken(key), key_hint: '…', ...stamps }
    await insertApiKey(trx, row)
  })
  return { key, id, user_id }
}

/** A session of a person, opened by hand. */
export async function addSession(api: TestApi, workspace_id: string, user_id: string) {
  const now = api.clock.now
  const token = generateSessionToken()
  const stamps = { created_at: now, last_seen_at: now, expires_at: new Date(now.getTime() + 24 * 3600 * 1000) }
  const row = { id: newId(now), user_id, token_hash: hashToken(token), epoch: 1, idle_seconds: 3600, ...stamps }
  await api.db.inWorkspace(workspace_id, trx => insertSession(trx, row))
  return { id: row.id, token }
}

export const SIGNING_SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
export const BEARER_SECRET = 'the-bearer-secret-of-the-shop'

/** A generic channel of that tenant, with both ways to believe a sender. */
export async function addChannel(api: TestApi, tenant: Tenant = api.ours): Promise<Json> {
  const body = {
    kind: 'generic',
    name: 'Shop',
    inbox_id: tenant.inbox_id,
    credentials: { signing_secrets: [SIGNING_SECRET], bearer_secret: BEARER_SECRET },
  }
  const created = await api.call('POST', '/v1/channels', body, { authorization: `Bearer ${tenant.key}` })
  if (created.status !== 201) throw new Error(created.text)
  return created.body
}

/** The smallest picture there is. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** An uploaded picture that no reply has yet. */
export async function addAttachment(api: TestApi, tenant: Tenant = api.ours): Promise<Json> {
  const headers = { authorization: `Bearer ${tenant.key}`, 'content-type': 'image/png' }
  const created = await api.inject({ method: 'POST', url: '/v1/attachments', headers, payload: PNG })
  if (created.status !== 201) throw new Error(created.text)
  return created.body
}

/** What Standard Webhooks asks a sender to send. */
export function signed(body: string, at: Date, secret = SIGNING_SECRET): Record<string, string> {
  const id = `evt_${randomUUID()}`
  const timestamp = Math.floor(at.getTime() / 1000)
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': `v1,${signature}` }
}

/** A conversation with `messages` customer messages, a second apart, the last of them at `at`. */
export async function addConversation(
  api: TestApi,
  tenant: Tenant,
  channel: { id: string },
  options: { at?: Date; messages?: number; waiting?: boolean } = {},
) {
  const { at = api.clock.now, messages = 1, waiting = true } = options
  return api.db.inWorkspace(tenant.workspace_id, async trx => {
    const [contact_id, id] = [newId(at), newId(at)]
    const contact = { id: contact_id, name: 'Ana', created_at: at, updated_at: at }
    await trx.insertInto('contacts').values(contact).execute()
    const stamps = { first_message_at: at, last_message_at: at, created_at: at, updated_at: at }
    const place = { inbox_id: tenant.inbox_id, channel_id: channel.id, contact_id, thread_key: id }
    const waiting_since = waiting ? at : null
    await insertConversations(trx, [{ id, number: nextNumber(), ...place, waiting_since, ...stamps }])
    const ids: string[] = []
    for (let index = messages - 1; index >= 0; index -= 1) {
      const occurred_at = new Date(at.getTime() - index * 1000)
      ids.push(await addCustomerMessage(trx, { conversation_id: id, channel_id: channel.id, contact_id }, occurred_at))
    }
    return { id, contact_id, channel_id: channel.id, messages: ids }
  })
}

/** What the worker makes of these messages. */
export async function triage(api: TestApi, tenant: Tenant, message_ids: string[]): Promise<void> {
  await api.db.inWorkspace(tenant.workspace_id, async trx => {
    const events = message_ids.map(
      message_id => ({ type: 'message.received', data: { message_id } }) as unknown as EventRow,
    )
    await triageEvents(trx, events, lexiconModel, api.clock.now)
  })
}

/** An event that could not become a message, received at that time. Returns its id. */
export async function addParked(
  api: TestApi,
  tenant: Tenant,
  channel: { id: string },
  received_at = api.clock.now,
): Promise<string> {
  const event = { dedup_key: randomUUID(), thread_key: null, payload: { some: 'payload' } }
  const [entry] = ledgerEntries(channel.id, [event], 'webhook', received_at)
  await api.db.inWorkspace(tenant.workspace_id, async trx => {
    await acceptInbound(trx, [entry!])
    await parkInboundEvent(trx, entry!, 'The payload has no author.')
  })
  return entry!.id
}

/** Something that the person of the tenant's key was told about a conversation. Returns its id. */
export async function addNotification(api: TestApi, tenant: Tenant, conversation_id: string): Promise<string> {
  const me = await api.call('GET', '/v1/me', undefined, { authorization: `Bearer ${tenant.key}` })
  const at = api.clock.now
  const nothing = { message_id: null, task_id: null, clock_id: null }
  const what = { event_id: randomUUID(), kind: 'resolved' as const, conversation_id, ...nothing }
  const row = { id: newId(at), user_id: me.body.user.id, ...what, actor_type: 'system', actor_id: null, at }
  const [told] = await api.db.inWorkspace(tenant.workspace_id, trx => insertNotifications(trx, [row]))
  return told!.id
}

/** A post of a channel, on which nobody has said anything. Returns its id. */
export async function addPost(api: TestApi, tenant: Tenant, channel: { id: string }): Promise<string> {
  const [id, at] = [newId(api.clock.now), api.clock.now]
  const post = {
    id,
    channel_id: channel.id,
    external_id: id,
    kind: 'own' as const,
    first_seen_at: at,
    last_message_at: at,
  }
  await api.db.inWorkspace(tenant.workspace_id, trx => trx.insertInto('posts').values(post).execute())
  return id
}

let lastNumber = 0
const nextNumber = () => {
  lastNumber += 1
  return lastNumber
}

/** What the worker stores when a customer writes. */
export async function addCustomerMessage(
  trx: Trx,
  place: { conversation_id: string; channel_id: string; contact_id: string },
  at: Date,
): Promise<string> {
  const message = await insertMessage(trx, {
    id: newId(at),
    ...place,
    direction: 'inbound',
    kind: 'comment',
    visibility: 'public',
    state: 'received',
    author_type: 'contact',
    body: 'Where is my order?',
    external_id: randomUUID(),
    occurred_at: at,
    received_at: at,
    processed_at: at,
    version_at: at,
  })
  return message.id
}

/** Runs `work` on each, all at once, and gives the results in order. */
export const atOnce = <T>(count: number, work: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))
