import { randomUUID } from 'node:crypto'
import { Hints } from '@parley/queue'
import { comment, onBothBackends, restClient, scenario } from '@parley/testing'
import t from 'tap'
import { BEARER, eventually, openWorld } from './world.ts'

await scenario(
  t,
  'hundredfold',
  'the same webhook a hundred times at once becomes one message that one customer waits for',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      world.openWorker()
      const shop = await world.addShop('shop')
      const sender = restClient(world.address, BEARER)
      const event = { id: `event-${seed}`, ...comment({ external_id: `message-${seed}` }) }
      const answers = await Promise.all(Array.from({ length: 100 }, () => sender.post(`/hooks/${shop.id}`, event)))
      t.same([...new Set(answers.map(answer => answer.status))], [202])
      const sum = (field: string) => answers.reduce((total, { body }) => total + body[field], 0)
      t.equal(sum('accepted'), 1)
      t.equal(sum('duplicates'), 99)
      await eventually('it is there', async () => (await world.countMessages()) > 0)
      await world.drained()
      t.equal(await world.countMessages(), 1)
      const [conversation, ...others] = (await world.admin.get('/v1/conversations')).body.data
      t.same(others, [])
      t.equal((await world.admin.get(`/v1/conversations/${conversation.id}/sla`)).body.waits.length, 1)
      // The log shows what no transaction that still runs, of whatever workspace, can come before.
      const received = await eventually('the log shows it', async () => {
        const { data } = (await world.admin.get('/v1/events?limit=100')).body
        const found = (data as { type: string }[]).filter(one => one.type === 'message.received')
        return found.length > 0 && found
      })
      t.equal(received.length, 1, 'and one event says so')
    })
  },
)

await scenario(
  t,
  'same-ids',
  'the same ids on two channels are two messages and two people, and a new name is the same person',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      world.openWorker()
      const shops = [await world.addShop('north'), await world.addShop('south')]
      for (const shop of shops) await world.post(shop, { messages: 80, name: 'same' }, { shuffle: true })
      const [north, south] = shops as [(typeof shops)[0], (typeof shops)[0]]
      const later = { started_at: Date.UTC(2025, 5, 1), authors: 'same', renamed: true, edited: 0, deleted: 0 }
      await world.post(north, { messages: 80, name: 'later', ...later }, { shuffle: true })
      await world.drained()
      await world.check(t)
      const people = await world.db.inWorkspace(world.workspace_id, trx =>
        trx.selectFrom('contact_identities').select(['network', 'external_id', 'contact_id', 'display_name']).execute(),
      )
      const of = (channel: { id: string }) => people.filter(person => person.network.includes(channel.id))
      const shared = of(north).filter(one => of(south).some(other => other.contact_id === one.contact_id))
      t.same(shared, [], 'nobody is one person on both')
      t.same(
        [...new Set(of(north).map(person => person.external_id))].length,
        of(north).length,
        'a person is there once however many names they had',
      )
      t.same(
        of(south).filter(person => person.display_name?.includes('new')),
        [],
        'the other channel keeps its names',
      )
      t.ok(of(north).some(person => person.display_name === `The new name of ${person.external_id}`))
    })
  },
)

await scenario(
  t,
  'gone-channel',
  'a hint about what is gone harms nobody, and what a deleted channel had still to do is closed',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const shops = [await world.addShop('gone'), await world.addShop('here')]
      const [gone, here] = shops as [(typeof shops)[0], (typeof shops)[0]]
      await world.post(gone, { messages: 50 })
      await world.db.inWorkspace(world.workspace_id, trx =>
        trx.updateTable('channels').set({ status: 'deleted' }).where('id', '=', gone.id).execute(),
      )
      const hints = new Hints(backend(world.url), { onLost: () => {} })
      t.teardown(() => hints.close())
      const nothing = { workspace_id: randomUUID(), channel_id: randomUUID() }
      hints.ingest(nothing)
      hints.poll(nothing)
      hints.send({ workspace_id: randomUUID(), message_id: randomUUID() })
      const worker = world.openWorker()
      await world.post(here, { messages: 50 })
      await world.drained()
      t.equal(worker.process.exitCode, null, 'the worker lives')
      const states = new Set((await world.ledger()).map(row => row.state))
      t.same(
        [...states].filter(state => state !== 'done' && state !== 'ignored'),
        [],
        'every event is closed',
      )
      const refused = await restClient(world.address, BEARER).post(`/hooks/${gone.id}`, comment())
      t.equal(refused.status, 410, 'the network is told that the channel is gone')
      world.channels.splice(0, 1)
      await world.check(t)
    })
  },
)
