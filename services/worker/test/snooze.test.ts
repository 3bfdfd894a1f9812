import { countConversations, findConversation, updateConversation } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { addUpCounts, wakeUp } from '../src/processors/housekeeping.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

t.test('a snooze ends at its time, once, however many workers look', async t => {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  await worker.accept(channel, [comment('m-1')])
  await drain(worker.ctx, job)
  const { id } = await worker.run(trx => trx.selectFrom('conversations').select('id').executeTakeFirstOrThrow())
  const snoozed = { status: 'snoozed' as const, snoozed_until: at('18:00:00'), updated_at: at('09:05:00') }
  await worker.run(trx => updateConversation(trx, id, snoozed))
  const now = () => worker.run(trx => findConversation(trx, id))
  worker.clock.now = new Date(at('18:00:00').getTime() - 1)
  await wakeUp(worker.ctx)()
  has(t, await now(), { status: 'snoozed' })
  worker.clock.now = at('18:00:00')
  await Promise.all([1, 2, 3].map(() => wakeUp(worker.ctx)()))
  has(t, await now(), { status: 'open', snoozed_until: null })
  t.equal((await worker.log()).filter(type => type === 'conversation.updated').length, 1)

  await worker.run(trx => updateConversation(trx, id, { ...snoozed, snoozed_until: at('20:00:00') }))
  worker.clock.now = at('18:30:00')
  await worker.accept(channel, [comment('m-2')])
  await drain(worker.ctx, job)
  has(t, await now(), { status: 'open', snoozed_until: null }, 'a customer who writes ends it')
})

t.test('counts that have grown long are added up', async t => {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  await worker.accept(channel, [comment('m-1')])
  await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  const { id } = await worker.run(trx => trx.selectFrom('conversations').select('id').executeTakeFirstOrThrow())
  await worker.run(async trx => {
    for (let turn = 0; turn < 500; turn += 1)
      for (const status of ['pending', 'open'] as const)
        await updateConversation(trx, id, { status, updated_at: at('09:05:00') })
  })
  const rows = async () =>
    Number(
      (
        await worker.run(trx =>
          trx
            .selectFrom('conversation_counts')
            .select(eb => eb.fn.countAll().as('n'))
            .executeTakeFirstOrThrow(),
        )
      ).n,
    )
  t.equal(await rows(), 2001)
  const run = addUpCounts(worker.ctx)
  await run()
  t.equal(await rows(), 1)
  t.same(await worker.run(trx => countConversations(trx, { status: ['open'] })), { count: 1, at_least: false })
  await run()
  t.equal(await rows(), 1)
})
