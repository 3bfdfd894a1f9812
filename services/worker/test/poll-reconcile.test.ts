import { randomUUID } from 'node:crypto'
import { acceptInbound, ledgerEntries } from '@parley/core'
import t from 'tap'
import { ingest } from '../src/processors/ingest.ts'
import { poll } from '../src/processors/poll.ts'
import { comment, fakeConnector, openWorker } from './processing.ts'

const event = (external_id: string, dedup_key: string) => ({
  dedup_key,
  thread_key: 't-1',
  payload: comment(external_id),
})

t.test('what a webhook and a poll both bring becomes one message, whichever is first', async t => {
  const ids = ['m-1', 'm-2', 'm-3', 'm-4']
  const worker = await openWorker(
    t,
    fakeConnector({
      // A network names the same thing differently in a list: only the message's own id is the same.
      poll: async () => ({ events: ids.map(id => event(id, `listed:${id}`)), cursor: {}, more: false }),
    }),
  )
  for (const first of ['webhook', 'poll', 'both']) {
    const channel = await worker.addChannel({ next_poll_at: worker.clock.now })
    const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
    const delivered = ids.map(id => event(id, `pushed:${randomUUID()}`))
    const steps: Record<string, () => Promise<unknown>> = {
      webhook: () =>
        worker.run(trx => acceptInbound(trx, ledgerEntries(channel.id, delivered, 'webhook', worker.clock.now))),
      poll: () => poll(worker.ctx)(job),
    }
    const [one, two] = first === 'poll' ? ['poll', 'webhook'] : ['webhook', 'poll']
    await steps[one]!()
    // Applied in between, or both of them in one batch.
    if (first !== 'both') await ingest(worker.ctx)(job)
    await steps[two]!()
    await ingest(worker.ctx)(job)
    const messages = (await worker.messages()).filter(row => row.channel_id === channel.id)
    t.same(messages.map(row => row.external_id).sort(), ids, `${first} first`)
    const ledger = (await worker.ledger()).filter(row => row.channel_id === channel.id)
    t.same([ledger.length, new Set(ledger.map(row => row.state))], [8, new Set(['done'])], 'and nothing is left over')
  }
  t.equal((await worker.log()).filter(type => type === 'message.received').length, 12, 'each is told of once')
})

t.test('what comes under the same key through both is in the ledger once', async t => {
  const worker = await openWorker(
    t,
    fakeConnector({ poll: async () => ({ events: [event('m-1', 'same')], cursor: {}, more: false }) }),
  )
  const channel = await worker.addChannel({ next_poll_at: worker.clock.now })
  await worker.run(trx =>
    acceptInbound(trx, ledgerEntries(channel.id, [event('m-1', 'same')], 'webhook', worker.clock.now)),
  )
  t.equal(await poll(worker.ctx)({ workspace_id: worker.workspace_id, channel_id: channel.id }), 0)
  t.equal((await worker.ledger()).length, 1)
})
