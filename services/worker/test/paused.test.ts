import { pauseChannel, resumeChannel } from '@parley/core'
import { SYSTEM } from '@parley/domain'
import t from 'tap'
import { sweep } from '../src/processors/housekeeping.ts'
import { ingest, ingestAfterwards } from '../src/processors/ingest.ts'
import { poll } from '../src/processors/poll.ts'
import { send } from '../src/processors/send.ts'
import { at, comment, fakeConnector, openWorker } from './processing.ts'

t.test('what a paused channel receives waits in the ledger, and nobody is sent to look in vain', async t => {
  const worker = await openWorker(t, fakeConnector())
  const { ctx, run, clock } = worker
  const [channel, other] = [await worker.addChannel(), await worker.addChannel()]
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  await run(trx => pauseChannel(trx, channel.id, SYSTEM, clock.now))
  await worker.accept(channel, [comment('m-1')])
  await worker.accept(other, [comment('m-2')])

  const turn = await ingest(ctx)(job)
  await ingestAfterwards(ctx)(job, turn)
  t.equal((await worker.messages()).length, 0)
  clock.now = at('09:01:00')
  await sweep(ctx)()
  t.same(
    worker.hints.filter(({ queue }) => queue === 'ingest'),
    [{ queue: 'ingest', job: { ...job, channel_id: other.id } }],
  )

  await run(trx => resumeChannel(trx, channel.id, SYSTEM, clock.now))
  await ingest(ctx)(job)
  t.same(
    (await worker.messages()).map(({ external_id }) => external_id),
    ['m-1'],
  )
})

t.test('a paused channel is neither polled nor sent from, and loses no reply', async t => {
  const calls: string[] = []
  const connector = fakeConnector({
    poll: async () => {
      calls.push('poll')
      return { events: [], cursor: {}, more: false }
    },
    send: async () => {
      calls.push('send')
      return { outcome: 'sent', external_id: 'r-1', accepted_at: at('09:00:30'), permalink: null }
    },
  })
  const worker = await openWorker(t, connector)
  const { ctx, run, clock, workspace_id } = worker
  const channel = await worker.addChannel({ next_poll_at: clock.now })
  const job = { workspace_id, channel_id: channel.id }
  await worker.accept(channel, [comment('m-1')])
  await ingest(ctx)(job)
  const reply = await worker.reply()
  await run(trx => pauseChannel(trx, channel.id, SYSTEM, clock.now))
  await poll(ctx)(job)
  await send(ctx)({ workspace_id, message_id: reply.id })
  t.same(calls, [])

  await run(trx => resumeChannel(trx, channel.id, SYSTEM, clock.now))
  clock.now = at('09:00:30')
  await poll(ctx)(job)
  await send(ctx)({ workspace_id, message_id: reply.id })
  t.same(calls, ['poll', 'send'])
  t.same((await worker.channelNow(channel)).polled_at, at('09:00:30'), 'and when it was polled is known')
})
