import {
  checkHistory,
  type FakeNetwork,
  FaultProxy,
  firstWorkspace,
  restClient,
  type Service,
  type StoryOptions,
  serviceEnvironment,
  startApi,
  startFakeNetwork,
  startService,
  type TestDatabase,
  testDatabase,
  until,
} from '@parley/testing'
import type { Test } from 'tap'

/** How long Parley may take to heal by itself; nothing waits that long when all is well. */
const HEALED_MS = 120_000

/** Like `until`, for whatever comes by itself on a machine that may be busy with other things. */
export const eventually = <T>(what: string, ask: () => Promise<T | undefined | null | false>): Promise<T> =>
  until(what, ask, HEALED_MS)

/** A worker that reads what comes in and looks after what is undone, and one that sends. */
export const READER = { WORKER_QUEUES: 'ingest,poll,sla,housekeeping' }
export const SENDER = { WORKER_QUEUES: 'send' }

const SIGNING_SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
/** For senders that do not sign. */
export const BEARER = 'a-secret-of-the-shop-and-parley'
/** Of the longest story: every time of a story lies in the past. */
const LONG_AGO = Date.UTC(2025, 0, 1)

export type Backend = Parameters<typeof serviceEnvironment>[1]
export type Channel = { name: string; id: string }
/** How a shop posts its story; the channel's address and secret are known here. */
type Posting = Omit<Parameters<FakeNetwork['send']>[0], 'channel' | 'hook_url' | 'signing_secret' | 'story'>
export type World = Awaited<ReturnType<typeof openWorld>>

export type WorldOptions = {
  seed: number
  backend: (databaseUrl: string) => Backend
  /** Its own, where the server is to be restarted. */
  database?: TestDatabase
  /** What services are given beside or instead of the usual. */
  env?: (url: string) => Record<string, string>
}

/**
 * A Parley of real processes with a network to play against. The API stands behind a proxy of its own, `door`, so that
 * it can be replaced by another one and the network finds it where it was. No worker runs yet.
 */
export async function openWorld(t: Test, options: WorldOptions) {
  const { seed } = options
  const network = await startFakeNetwork(t)
  const { db, url } = options.database ?? (await testDatabase(t))
  const { key, inbox_id, workspace_id } = await firstWorkspace(db)
  const env = { ...serviceEnvironment(url, options.backend(url)), ...options.env?.(url) }
  const door = await FaultProxy.start(t, 'http://127.0.0.1:9')
  const address = door.through('http://127.0.0.1:9')
  const admin = restClient(address, key)
  const channels: Channel[] = []
  const services: Service[] = []
  const keep = <S extends Service>(service: S): S => {
    services.push(service)
    return service
  }
  /** What every process said last: a process that stands still is understood from nothing else. */
  const lastWords = () =>
    services
      .map(
        ({ process, output }, index) => `service ${index} (exit code ${process.exitCode}): …${output().slice(-1500)}`,
      )
      .join('\n')

  /** Starts an API and leads the door to it. */
  const openApi = async (overrides: Record<string, string> = {}) => {
    const api = keep(await startApi(t, { ...env, ...overrides }))
    door.lead(api.url)
    return api
  }

  const create = async (name: string, body: Record<string, unknown>): Promise<Channel> => {
    const { status, body: created } = await admin.post('/v1/channels', { name, inbox_id, ...body })
    if (status !== 201) throw new Error(`no channel: ${JSON.stringify(created)}`)
    const channel = { name, id: created.id as string }
    channels.push(channel)
    return channel
  }

  const ledger = (state?: string) =>
    db.inWorkspace(workspace_id, trx => {
      const query = trx.selectFrom('inbound_events').select(['id', 'channel_id', 'dedup_key', 'state', 'error'])
      return (state ? query.where('state', '=', state) : query).execute()
    })

  return {
    seed,
    db,
    url,
    key,
    env,
    door,
    address,
    admin,
    network,
    channels,
    inbox_id,
    workspace_id,
    ledger,
    openApi,
    openWorker: (overrides: Record<string, string> = {}): Service =>
      keep(startService(t, 'worker', { ...env, ...overrides })),

    /** A generic channel. */
    addShop: (name: string) =>
      create(name, { kind: 'generic', credentials: { signing_secrets: [SIGNING_SECRET], bearer_secret: BEARER } }),

    /** A generic channel whose replies are POSTed to the network, by way of `url`. */
    addAnsweringShop: (name: string, url = network.url) =>
      create(name, {
        kind: 'generic',
        settings: { reply_url: `${url}/replies/${name}` },
        credentials: { signing_secrets: [SIGNING_SECRET], bearer_secret: BEARER },
      }),

    /** A Bluesky account, of the same name in the network's record. */
    addAccount: async (name: string, service_url = network.url): Promise<Channel> => {
      await network.addAccount(name, 'app-password')
      const credentials = { identifier: name, app_password: 'app-password' }
      return create(name, { kind: 'bluesky', settings: { service_url }, credentials })
    },

    /** The shop's network posts a story; ends when everything is acknowledged. */
    post: ({ name, id }: Channel, story: Partial<StoryOptions> & { messages: number }, posting: Posting = {}) =>
      network.send({
        ...posting,
        channel: name,
        hook_url: `${address}/hooks/${id}`,
        signing_secret: SIGNING_SECRET,
        story: { seed, name: `${name}-${seed}`, started_at: LONG_AGO, edited: 0.2, deleted: 0.1, ...story },
      }),

    /** People write to an account, in the last hours: Bluesky's list is read back for a week. */
    publish: ({ name }: Channel, story: Partial<StoryOptions> & { messages: number }) => {
      const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000
      return network.publish(name, { seed, name: `${name}-${seed}`, started_at: hour - 12 * 3_600_000, ...story })
    },

    /** Reads one channel's row. */
    channelNow: ({ id }: Channel) =>
      db.inWorkspace(workspace_id, trx =>
        trx.selectFrom('channels').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      ),

    /** Lets a channel be asked at once: a pause of half a minute is not worth waiting for. */
    makeDue: (...due: Channel[]) =>
      db.inWorkspace(workspace_id, trx =>
        trx
          .updateTable('channels')
          .set({ next_poll_at: new Date(), resume_at: null })
          .where(
            'id',
            'in',
            due.map(channel => channel.id),
          )
          .execute(),
      ),

    /** How many requests and events the network has brought through so far. */
    acknowledged: (name: string) =>
      network
        .record()
        .filter(entry => entry.kind === 'acknowledged' && entry.channel === name)
        .reduce((sum, entry) => sum + (entry.kind === 'acknowledged' ? entry.ids.length : 0), 0),

    calls: (name: string, nsid = 'app.bsky.notification.listNotifications') =>
      network
        .record()
        .flatMap(entry => (entry.kind === 'call' && entry.channel === name && entry.nsid === nsid ? [entry] : [])),

    countMessages: async () => {
      const { count } = await db.inWorkspace(workspace_id, trx =>
        trx
          .selectFrom('messages')
          .select(eb => eb.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow(),
      )
      return Number(count)
    },

    /** Everything is worked on by itself. */
    drained: () =>
      eventually('nothing is pending', async () => (await ledger('pending').catch(() => [null])).length === 0).catch(
        error => {
          throw new Error(`${error.message} (seed ${seed})\n${lastWords()}`, { cause: error })
        },
      ),

    /** What holds however the fault went; `parked` events are expected to be so. */
    check: (t: Test, parked = 0) =>
      checkHistory(t, { db, workspace_id, admin, channels, record: network.record(), seed, parked }),
  }
}
