import { scenario } from '@parley/testing'
import t from 'tap'
import { type Channel, eventually, openWorld, type World } from './world.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

type Fault = Parameters<World['network']['misbehave']>[1][number]['fault']

/** Channels whose network misbehaves from the second page on, beside one whose network is well. */
async function openMisbehaving(world: World, faults: Record<string, Fault>, after: number) {
  const accounts: Channel[] = []
  for (const [name, fault] of Object.entries(faults)) {
    const account = await world.addAccount(name)
    accounts.push(account)
    await world.publish(account, { messages: 130 })
    await world.network.misbehave(name, [{ fault, after }])
  }
  const healthy = await world.addAccount('healthy')
  await world.publish(healthy, { messages: 20 })
  return { accounts, healthy }
}

/** When the network may be called again. */
const pausedUntil = async (world: World, channel: Channel): Promise<number> => {
  const { next_poll_at, resume_at } = await world.channelNow(channel)
  return Math.max(next_poll_at!.getTime(), resume_at?.getTime() ?? 0)
}

const failed = (world: World, channel: Channel) =>
  eventually(`${channel.name} has failed`, async () => (await world.channelNow(channel)).poll_failures > 0)

/** The healthy channel is polled twice more: the sweeper has passed over all the others meanwhile. */
async function letSweepsPass(world: World, healthy: Channel) {
  for (let times = 0; times < 2; times += 1) {
    const before = world.calls('healthy').length
    await world.makeDue(healthy)
    await eventually('the healthy channel is polled', async () => world.calls('healthy').length > before)
  }
}

async function healAndCheck(t: Parameters<World['check']>[0], world: World, accounts: Channel[]) {
  for (const { name } of accounts) await world.network.misbehave(name, [])
  await world.makeDue(...accounts)
  for (const account of accounts) {
    const well = async () => {
      const { poll_failures, cursor } = await world.channelNow(account)
      return poll_failures === 0 && (cursor as { last_polled_at?: string | null } | null)?.last_polled_at
    }
    await eventually(`${account.name} is read to the end`, well)
  }
  await world.drained()
  await world.check(t)
}

await scenario(
  t,
  'asked-for-quiet',
  'a network that asks for quiet gets it, as far as it makes sense, and other channels go on',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    const limited = (retry_after: string): Fault => ({ kind: 'status', status: 429, retry_after })
    const { accounts, healthy } = await openMisbehaving(
      world,
      {
        seconds: limited('7200'),
        'seconds-too': limited('7200'),
        date: limited(new Date(Date.now() + 2 * HOUR_MS).toUTCString()),
        garbage: limited('soon'),
        huge: limited('1000000000'),
        negative: limited('-5'),
      },
      0,
    )
    world.openWorker()
    const pause = new Map<string, number>()
    for (const account of accounts) {
      await failed(world, account)
      pause.set(account.name, (await pausedUntil(world, account)) - world.calls(account.name).at(-1)!.at)
    }
    const between = (name: string, least: number, most: number) => {
      const given = pause.get(name)!
      t.ok(given >= least && given <= most, `${name}: quiet for ${Math.round(given / 1000)} s (seed ${seed})`)
    }
    // A minute for the clock of a machine under load; a date has whole seconds.
    between('seconds', 2 * HOUR_MS, 3 * HOUR_MS)
    between('seconds-too', 2 * HOUR_MS, 3 * HOUR_MS)
    between('date', 2 * HOUR_MS - 120_000, 3 * HOUR_MS)
    between('garbage', 5_000, HOUR_MS)
    between('negative', 5_000, HOUR_MS)
    between('huge', HOUR_MS, 2 * DAY_MS)
    t.not(
      Math.round(pause.get('seconds')! / 1000),
      Math.round(pause.get('seconds-too')! / 1000),
      'those who were told the same do not come back together',
    )
    await letSweepsPass(world, healthy)
    for (const { name } of accounts) {
      const [first, ...later] = world.calls(name)
      const early = later.filter(call => call.at < first!.at + pause.get(name)!)
      t.same(early, [], `${name} was not called meanwhile`)
    }
    await healAndCheck(t, world, accounts)
  },
)

await scenario(
  t,
  'broken-answers',
  'answers that are none are asked for again later, and what was read before them stays',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    const { accounts, healthy } = await openMisbehaving(
      world,
      {
        // Those that take their time come first, so that the others are asked meanwhile.
        drip: { kind: 'drip' },
        silence: { kind: 'silence' },
        'status-500': { kind: 'status', status: 500 },
        truncated: { kind: 'truncated' },
        'half-json': { kind: 'half-json' },
        html: { kind: 'html' },
        'no-content': { kind: 'no-content' },
        reset: { kind: 'reset' },
      },
      1,
    )
    const worker = world.openWorker()
    for (const account of accounts) {
      await failed(world, account)
      const { cursor, next_poll_at } = await world.channelNow(account)
      const { head, last_polled_at } = cursor as { head: { pages: number } | null; last_polled_at: string | null }
      t.equal(head?.pages, 1, `${account.name}: the cursor stands behind the first page`)
      t.equal(last_polled_at, null, `${account.name}: it was not read to the end`)
      const last = world.calls(account.name).at(-1)!
      t.ok(next_poll_at!.getTime() > last.at + 5_000, `${account.name}: it is left in peace for a while`)
    }
    for (const { name } of accounts) {
      // A refused cursor costs a second call at once; after that there is a pause.
      const failures = world.calls(name).slice(1)
      const hasty = failures.filter(({ at }, index) => at - (failures[index - 2]?.at ?? 0) < 5_000)
      t.same(hasty, [], `${name}: it is not asked in a hot loop`)
    }
    t.equal(worker.process.exitCode, null, 'the worker lives')
    await letSweepsPass(world, healthy)
    await healAndCheck(t, world, accounts)
  },
)
