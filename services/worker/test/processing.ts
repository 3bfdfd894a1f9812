import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BlobStore, openBlobStore } from '@parley/blob-store'
import { createLogger } from '@parley/config'
import type { Connector } from '@parley/connectors'
import type { BatchJob, ChannelJob, ConnectorEvent, SendJob } from '@parley/contracts'
import { acceptInbound, channelContext, ledgerEntries, queueReply, seal } from '@parley/core'
import { type Channel, type Database, findChannel, insertChannel, listUsers, type Trx } from '@parley/db'
import type { Hints } from '@parley/queue'
import { capabilities, firstWorkspace, TEST_SECRET_KEY, testDatabase } from '@parley/testing'
import type { Test } from 'tap'
import type { WorkerContext } from '../src/context.ts'
import { ConversationNumbers } from '../src/conversation-numbers.ts'
import { createWorkerMetrics } from '../src/metrics.ts'
import { ingest } from '../src/processors/ingest.ts'

export const at = (time: string) => new Date(`2026-03-02T${time}Z`)
const CONNECTED = at('08:00:00')
/** Small, so that a test need not move megabytes to exceed it. */
export const MAX_ATTACHMENT_BYTES = 256 * 1024

/** Hints as they were given: which queue, and about what. */
export type Given = { queue: string; job: ChannelJob | SendJob | BatchJob }

/** A network that a test makes up: what it does not say, this one does. */
export function fakeConnector(fields: Partial<Connector> = {}): Connector {
  const refuse = () => {
    throw new Error('not needed by this test')
  }
  return {
    kind: 'generic',
    capabilities: () => capabilities(),
    settingsSchema: { parse: refuse } as unknown as Connector['settingsSchema'],
    credentialsSchema: { parse: refuse } as unknown as Connector['credentialsSchema'],
    // The ledger holds the event as the inbox reads it.
    normalise: (_channel, payload) => payload as ConnectorEvent,
    ...fields,
  }
}

export const comment = (external_id: string, fields: Record<string, unknown> = {}) => ({
  type: 'message',
  external_id,
  thread_key: 't-1',
  parent_external_id: null,
  kind: 'comment',
  visibility: 'public',
  author: { external_id: 'ana', handle: 'ana', display_name: null, avatar_url: null },
  text: `the text of ${external_id}`,
  html: null,
  text_marks: [],
  subject: null,
  permalink: null,
  occurred_at: at('09:00:00').toISOString(),
  version_at: at('09:00:00').toISOString(),
  from_us: false,
  send_token: null,
  reply_context: null,
  ...fields,
})

/** A store that differs from another one in this. */
export const blobsBut = (blobs: BlobStore, fields: Partial<BlobStore>): BlobStore => ({
  put: (...given) => blobs.put(...given),
  open: (...given) => blobs.open(...given),
  delete: key => blobs.delete(key),
  tidy: before => blobs.tidy(before),
  check: () => blobs.check(),
  ...fields,
})

/** Drains a channel turn by turn until nothing is left of it, or others have it. Returns how many batches it took. */
export async function drain(ctx: WorkerContext, job: ChannelJob): Promise<number> {
  for (let batches = 0; ; ) {
    const turn = await ingest(ctx)(job)
    batches += turn.batches
    if (turn.ended !== 'time') return batches
  }
}

/** A worker's context on a database of the test's own; `clock.now` is what time it is. */
export async function openWorker(t: Test, connector: Connector) {
  const { db, url } = await testDatabase(t)
  const { workspace_id, inbox_id } = await firstWorkspace(db, CONNECTED)
  const run = <T>(work: (trx: Trx) => Promise<T>): Promise<T> => db.inWorkspace(workspace_id, work)
  const clock = { now: at('09:00:00') }
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-test-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const hints: Given[] = []
  const woken: string[] = []
  const hint = (queue: string) => (job: Given['job']) => void hints.push({ queue, job })
  const contextOn = (database: Database): WorkerContext => ({
    db: database,
    hints: {
      ...{ ingest: hint('ingest'), poll: hint('poll'), send: hint('send'), attachments: hint('attachments') },
      batch: hint('batches'),
      repeat: (queue: string, job: Given['job']) => hint(queue)(job),
    } as unknown as Hints,
    wakeUps: {
      publish: id => void woken.push(id),
      subscribe: () => {},
      tell: () => {},
      hear: () => {},
      close: async () => {},
    },
    now: () => clock.now,
    random: () => 0,
    monotonicMs: () => performance.now(),
    conversationNumbers: new ConversationNumbers(database),
    metrics: createWorkerMetrics(),
    logger: createLogger('silent', 'worker'),
    config: {
      PARLEY_ALLOW_PRIVATE_TARGETS: [],
      PARLEY_LEDGER_DAYS: 30,
      PARLEY_MAX_ATTACHMENT_BYTES: MAX_ATTACHMENT_BYTES,
      PARLEY_SECRET_KEY: TEST_SECRET_KEY,
    },
    connectorFor: () => connector,
    fetch: () => Promise.reject(new Error('no network in this test')),
    fetchFile: () => Promise.reject(new Error('no network in this test')),
    blobs: openBlobStore({ PARLEY_DATA_DIR: dataDir, PARLEY_S3_REGION: '' }),
  })

  const addChannel = (fields: Partial<Channel> = {}): Promise<Channel> => {
    const id = randomUUID()
    const credentials_sealed = seal(TEST_SECRET_KEY, channelContext({ workspace_id, id }), { token: 'secret' })
    return run(trx =>
      insertChannel(trx, {
        id,
        inbox_id,
        kind: 'generic',
        name: 'Shop',
        status: 'active',
        settings: '{}',
        credentials_sealed,
        next_poll_at: CONNECTED,
        connected_at: CONNECTED,
        created_at: CONNECTED,
        ...(fields as object),
      }),
    )
  }
  const channelNow = async ({ id }: Channel) => (await run(trx => findChannel(trx, id)))!
  const accept = (channel: Channel, payloads: unknown[]) =>
    run(trx =>
      acceptInbound(
        trx,
        ledgerEntries(
          channel.id,
          payloads.map(payload => ({ dedup_key: randomUUID(), thread_key: null, payload })),
          'webhook',
          clock.now,
        ),
      ),
    )
  const ledger = () =>
    run(trx =>
      trx
        .selectFrom('inbound_events as e')
        .innerJoin('inbound_payloads as p', 'p.id', 'e.id')
        .selectAll('e')
        .select('p.payload')
        .orderBy('e.id')
        .execute(),
    )
  const messages = () => run(trx => trx.selectFrom('messages').selectAll().orderBy('id').execute())
  const log = () =>
    run(async trx => (await trx.selectFrom('events').select('type').orderBy('seq').execute()).map(row => row.type))

  const [agent] = await run(listUsers)
  /** Queues an agent's reply in the only conversation. */
  const reply = () =>
    run(async trx => {
      const { id } = await trx.selectFrom('conversations').select('id').executeTakeFirstOrThrow()
      const draft = {
        conversation_id: id,
        author: { type: 'user' as const, id: agent!.id },
        body: 'It arrives today.',
        visibility: 'public' as const,
        force: false,
        resolve_after: false,
      }
      const [first] = await queueReply(
        trx,
        draft,
        () => ({
          capabilities: connector.capabilities({ settings: {}, network_facts: {} }),
          pulled: false,
          countedText: text => text,
        }),
        clock.now,
      )
      return first!
    })

  const ctx = contextOn(db)
  return {
    url,
    /** Where blobs are kept. */
    dataDir,
    db,
    ctx,
    contextOn,
    workspace_id,
    inbox_id,
    run,
    clock,
    hints,
    woken,
    addChannel,
    channelNow,
    accept,
    ledger,
    messages,
    log,
    reply,
  }
}
export type OpenWorker = Awaited<ReturnType<typeof openWorker>>
