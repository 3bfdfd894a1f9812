import { beginSendAttempt, doubtOutbox, finishSendAttempt, retryReply, takeSendTask } from '@parley/core'
import { currentSendEpoch, findMessage, listQueuedReplies } from '@parley/db'
import { capabilities, has, restoredDatabase, testDatabase } from '@parley/testing'
import t from 'tap'
import { beginDoubt } from '../src/send-reply.ts'
import { at, message, openInbox } from './inbox.ts'

/** A database, and a copy of it as it was, as a restored backup is. */
async function restored() {
  const { db, url } = await testDatabase(t)
  const inbox = await openInbox(db)
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const conversation = await inbox.only('conversations')
  const sending = await inbox.reply(conversation.id, at('09:05:00'))
  await inbox.run(trx => beginSendAttempt(trx, sending.id, { key: 'chosen' }, null, at('09:05:01')))
  const queued = await inbox.reply(conversation.id, at('09:06:00'))
  const fetched = await inbox.reply(conversation.id, at('09:07:00'), {}, { pulled: true })
  const epoch = await inbox.run(currentSendEpoch)
  const { db: after } = await restoredDatabase(t, url)
  const run: typeof inbox.run = work => after.inWorkspace(inbox.workspace_id, work)
  return {
    inbox,
    channel,
    epoch,
    sending,
    queued,
    fetched,
    run,
    find: (id: string) => run(trx => findMessage(trx, id)),
  }
}

t.test('what was queued before the database was restored is asked about, and sent only by a person', async t => {
  const { inbox, channel, epoch, sending, queued, fetched, run, find } = await restored()
  t.equal(await run(currentSendEpoch), epoch + 1)
  t.equal(await run(currentSendEpoch), epoch + 1, 'it rises once')

  const doubtful = await run(trx => takeSendTask(trx, sending.id, at('10:00:00')))
  has(t, doubtful, { task: 'look_up', distrusted: true }, 'what was being sent')
  if (doubtful.task !== 'look_up') return t.fail(doubtful.task)
  const gone = { outcome: 'unknown' as const, reason: 'It is not there.', look_again_at: null }
  await run(trx => finishSendAttempt(trx, doubtful.attempt, gone, at('10:00:01')))

  has(t, await run(trx => takeSendTask(trx, queued.id, at('10:00:00'))), { task: 'send', distrusted: true })
  const begun = await run(trx => beginSendAttempt(trx, queued.id, {}, null, at('10:00:00')))
  t.equal(begun, undefined, 'no call is begun for it')
  has(t, await find(queued.id), { state: 'queued' })
  const attempt = await run(trx => beginDoubt(trx, queued.id, { key: 'chosen' }, 'r-2', at('10:00:00')))
  has(t, await find(queued.id), { state: 'unknown', external_id: 'r-2' })
  const told = await run(trx =>
    trx.selectFrom('events').select(['type', 'data']).where('type', '=', 'reply.unknown').execute(),
  )
  t.ok(
    told.some(({ data }) => (data as { message_id: string }).message_id === queued.id),
    'and the log says so',
  )
  await run(trx => finishSendAttempt(trx, attempt!, gone, at('10:00:02')))
  has(t, await find(queued.id), { state: 'unknown', next_attempt_at: null }, 'and then a person decides')

  const decision = { message_id: queued.id, actor: inbox.agent, now: at('10:05:00') }
  await run(trx =>
    retryReply(trx, decision, () => ({ capabilities: capabilities(), pulled: false, countedText: text => text })),
  )
  has(t, await run(trx => takeSendTask(trx, queued.id, at('10:05:00'))), { task: 'send', distrusted: false })
  t.ok(await run(trx => beginSendAttempt(trx, queued.id, {}, null, at('10:05:01'))))

  const offered = () => run(trx => listQueuedReplies(trx, channel.id, { limit: 10 }, at('10:06:00')))
  t.same(await offered(), [], 'nor is it offered')
  await run(trx => doubtOutbox(trx, at('10:06:00')))
  has(t, await find(fetched.id), { state: 'unknown', state_reason: /may have been fetched/ })
})
