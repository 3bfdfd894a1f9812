import { FaultProxy, onBothBackends, scenario } from '@parley/testing'
import t from 'tap'
import { type Channel, eventually, openWorld, type World } from './world.ts'

const readToTheEnd = (world: World, channel: Channel) =>
  eventually(`${channel.name} is read to the end`, async () => {
    const { cursor } = await world.channelNow(channel)
    const { last_polled_at, head } = (cursor ?? {}) as { last_polled_at?: string | null; head?: unknown }
    return head === null && last_polled_at
  })

await scenario(
  t,
  'killed-poll',
  'a worker killed while it stores a page has kept the page and its cursor, or neither',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const account = await world.addAccount('account')
      await world.publish(account, { messages: 350 })
      const database = await FaultProxy.start(t, world.url)
      // In what is stored of a page, and in nothing else that is sent to the database.
      const armedBy = 'our_did'
      const moments = [
        { direction: 'up', armedBy, pattern: 'update "channels"', effect: 'hang' },
        { direction: 'up', armedBy, pattern: 'commit', effect: 'hang' },
        { direction: 'down', armedBy, pattern: 'COMMIT', effect: 'hang' },
      ] as const
      for (const moment of moments) {
        const reached = database.trap(moment)
        const worker = world.openWorker({ DATABASE_URL: database.through(world.url), DATABASE_DIRECT_URL: world.url })
        await world.makeDue(account)
        await reached
        await worker.kill()
        database.cutAll()
        t.same(await missingBeforeCursor(world, account), [], `the cursor is not ahead of the ledger (seed ${seed})`)
      }
      world.openWorker()
      await world.makeDue(account)
      await readToTheEnd(world, account)
      await world.drained()
      await world.check(t)
    })
  },
)

/** Posts that the cursor has left behind, newest first, and the ledger does not hold. */
async function missingBeforeCursor(world: World, channel: Channel): Promise<string[]> {
  // The dead worker's transaction may still be on its way out.
  const { cursor } = await world.channelNow(channel)
  const head = (cursor as { head?: { page_cursor?: string | null } } | null)?.head
  const [position] = head?.page_cursor?.split('~') ?? []
  if (!position) return []
  const kept = new Set((await world.ledger()).map(row => row.dedup_key))
  return world.network.record().flatMap(entry => {
    if (entry.kind !== 'emitted') return []
    const { id, occurred_at, external_id } = entry.event
    return `${occurred_at} ${external_id}` >= position && !kept.has(id) ? [id] : []
  })
}

await scenario(
  t,
  'outage',
  'channels that were cut off together come back by themselves and do not overrun their network',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const wire = await FaultProxy.start(t, world.network.url)
      const accounts: Channel[] = []
      for (let index = 0; index < 40; index += 1) {
        accounts.push(await world.addAccount(`account-${index}`, wire.through(world.network.url)))
      }
      wire.set({ kind: 'refuse' })
      wire.cutAll()
      const worker = world.openWorker()
      const pauses = await eventually('all of them have failed', async () => {
        const rows = await Promise.all(accounts.map(world.channelNow))
        return rows.every(row => row.poll_failures > 0) && rows.map(row => row.next_poll_at!.getTime())
      })
      const seconds = new Set(pauses.map(time => Math.round(time / 250)))
      t.ok(seconds.size > 10, `they come back at ${seconds.size} different moments`)
      for (const account of accounts) await world.publish(account, { messages: 10 })
      wire.set({ kind: 'pass' })
      const before = world.network.record().length
      await world.makeDue(...accounts)
      for (const account of accounts) await readToTheEnd(world, account)
      const calls = world.network
        .record()
        .slice(before)
        .flatMap(entry => (entry.kind === 'call' ? [entry] : []))
      const most = Math.max(...calls.map(call => call.running))
      t.ok(most <= 8, `the network answered ${most} calls at a time`)
      t.ok(calls.length <= 2 * accounts.length, `${accounts.length} channels took ${calls.length} calls`)
      t.equal(worker.process.exitCode, null, 'the worker lives')
      await world.drained()
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'revoked-session',
  'a session revoked in the middle of a list stops the channel, which goes on from there when let in again',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const account = await world.addAccount('account')
      const healthy = await world.addAccount('healthy')
      await world.publish(account, { messages: 250 })
      await world.network.misbehave('account', [{ fault: { kind: 'revoked' }, after: 1, times: 1 }])
      const calls = () =>
        world.network.record().flatMap(entry => (entry.kind === 'call' && entry.channel === 'account' ? [entry] : []))
      const start = calls().length
      world.openWorker()
      await eventually('the channel is stopped', async () => (await world.channelNow(account)).status === 'disabled')
      // The first page, the refusal, and what it takes to know that no other way leads in.
      const tried = calls().length - start - 1
      t.ok(tried <= 3, `it took ${tried} calls to give up`)
      const told = await world.db.inWorkspace(world.workspace_id, trx =>
        trx.selectFrom('events').select('data').where('type', '=', 'channel.disabled').execute(),
      )
      t.equal(told.length, 1, 'people are told once')
      for (let times = 0; times < 2; times += 1) {
        const before = world.calls('healthy').length
        await world.makeDue(healthy)
        await eventually('the healthy channel is polled', async () => world.calls('healthy').length > before)
      }
      t.equal(calls().length - start - 1, tried, 'nobody knocks any more')

      await world.network.restore('account')
      const before = world.calls('account').length
      await world.db.inWorkspace(world.workspace_id, trx =>
        trx
          .updateTable('channels')
          .set({ status: 'active', status_reason: null, next_poll_at: new Date() })
          .where('id', '=', account.id)
          .execute(),
      )
      await readToTheEnd(world, account)
      const resumed = world.calls('account').slice(before)
      t.ok(resumed[0]?.paged, 'it goes on where it was')
      await world.drained()
      await world.check(t)
    })
  },
)
