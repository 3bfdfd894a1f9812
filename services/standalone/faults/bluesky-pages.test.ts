import { onBothBackends, scenario } from '@parley/testing'
import t from 'tap'
import { type Channel, eventually, openWorld, type World } from './world.ts'

/** Until a sweep over all pages has ended. */
const polled = (world: World, channel: Channel, after?: string | null) =>
  eventually(`${channel.name} is read to the end`, async () => {
    const { cursor } = await world.channelNow(channel)
    const { last_polled_at, head } = (cursor ?? {}) as { last_polled_at?: string; head?: unknown }
    return head === null && last_polled_at !== after && last_polled_at
  })

await scenario(
  t,
  'odd-pages',
  'pages that repeat, overlap, are empty or lose their cursor are read to the end, once',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const faults = {
        repeated: { fault: { kind: 'same-page' }, after: 1, times: 1 },
        overlapping: { fault: { kind: 'overlap', items: 30 } },
        empty: { fault: { kind: 'empty-page' }, after: 1, times: 1 },
        'empty-at-first': { fault: { kind: 'empty-page' }, times: 1 },
        'cursor-refused': { fault: { kind: 'cursor-refused' }, after: 1, times: 1 },
      } as const
      const accounts: Channel[] = []
      for (const [name, fault] of Object.entries(faults)) {
        const account = await world.addAccount(name)
        accounts.push(account)
        await world.publish(account, { messages: 250 })
        await world.network.misbehave(name, [fault])
      }
      world.openWorker()
      const first = new Map<string, string>()
      for (const account of accounts) first.set(account.name, await polled(world, account))
      for (const { name } of accounts) {
        const calls = world.calls(name).length
        t.ok(calls >= 3 && calls <= 7, `${name}: three pages took ${calls} calls`)
      }
      await world.drained()
      await world.check(t)

      const before = new Map(accounts.map(({ name }) => [name, world.calls(name).length]))
      for (const { name } of accounts) await world.network.misbehave(name, [])
      await world.makeDue(...accounts)
      for (const account of accounts) await polled(world, account, first.get(account.name))
      for (const { name } of accounts) {
        const calls = world.calls(name).length - before.get(name)!
        t.ok(calls <= 3, `${name}: nothing but known posts took ${calls} calls`)
      }
      await world.drained()
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'shuffled',
  'what comes in any order stands there in the order of its time and its id',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      world.openWorker()
      const shop = await world.addShop('shop')
      await world.post(shop, { messages: 300, same_times: true }, { shuffle: true, repeated: 0.1, max_events: 20 })
      const account = await world.addAccount('account')
      await world.publish(account, { messages: 250, same_times: true })
      await world.network.misbehave('account', [{ fault: { kind: 'shuffled', seed } }])
      await world.makeDue(account)
      await polled(world, account)
      await world.drained()
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'poison',
  'posts that nobody understands are parked one by one, and all their neighbours are stored',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const account = await world.addAccount('account')
      await world.publish(account, { messages: 150 })
      const at = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 12 * 3_600_000 + 60_500).toISOString()
      const author = { did: 'did:plc:poison' }
      const post = { $type: 'app.bsky.feed.post', createdAt: at }
      const poison: Record<string, unknown>[] = [
        { cid: 'bafy-no-text', author, reason: 'mention', record: post },
        { cid: 'bafy-no-author', reason: 'reply', record: { ...post, text: 'x' } },
        { author, reason: 'mention', record: 'not even an object' },
        { cid: 'bafy-foreign', author: { did: 'did:plc:other' }, reason: 'mention', record: { ...post, text: 'x' } },
      ]
      for (const [index, notification] of poison.entries()) {
        const uri = `at://did:plc:poison/app.bsky.feed.post/poison${index}`
        await world.network.publishPoison('account', uri, at, notification)
      }
      world.openWorker()
      await polled(world, account)
      await world.drained()
      await world.check(t, poison.length)
      // Their conversations go on.
      await world.publish(account, { messages: 180 })
      await world.makeDue(account)
      await eventually('what was written later is there', async () => (await world.countMessages()) >= 180)
      await world.drained()
      await world.check(t, poison.length)
    })
  },
)
