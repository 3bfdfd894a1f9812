import { beginSendAttempt, finishSendAttempt, takeSendTask } from '@parley/core'
import { findChannel, type Message, type SendAttempt } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const unknown = { outcome: 'unknown' as const, reason: 'Timed out.', look_again_at: null }

t.test('a network that does not answer is left alone after five calls, then tried by one reply at a time', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const questions = Array.from({ length: 9 }, (_, index) =>
    message(`m-${index}`, '09:00:00', { thread_key: `t-${index}` }),
  )
  await inbox.deliver(channel, questions, at('09:00:01'))
  const replies: Message[] = []
  for (const { id } of await inbox.everything('conversations')) replies.push(await inbox.reply(id, at('09:05:00')))
  const take = (reply: Message, time: string) => inbox.run(trx => takeSendTask(trx, reply.id, at(time)))
  const now = async () => (await inbox.run(trx => findChannel(trx, channel.id)))!

  for (const reply of replies.slice(0, 4)) await inbox.send(reply, at('09:06:00'), unknown)
  has(t, await now(), { send_failures: 4, send_resume_at: null })
  has(t, await take(replies[4]!, '09:06:00'), { task: 'send' }, 'four are not enough')
  await inbox.send(replies[4]!, at('09:06:00'), unknown)
  has(t, await now(), { send_failures: 5, send_resume_at: at('09:06:30') })
  t.equal((await inbox.log()).filter(type => type === 'channel.degraded').length, 1)
  has(t, await take(replies[5]!, '09:06:29'), { task: 'nothing', reason: 'channel_not_ready' })

  has(t, await take(replies[5]!, '09:06:30'), { task: 'send' }, 'one tries')
  has(t, await take(replies[6]!, '09:06:30'), { task: 'nothing', reason: 'channel_not_ready' }, 'and no other')
  await inbox.send(replies[5]!, at('09:06:31'), unknown)
  has(t, await now(), { send_failures: 6, send_resume_at: at('09:07:31') }, 'the pause doubles')
  t.equal((await inbox.log()).filter(type => type === 'channel.degraded').length, 1, 'it is said once')

  has(t, await take(replies[6]!, '09:07:31'), { task: 'send' })
  await inbox.send(replies[6]!, at('09:07:32'), { outcome: 'rejected', reason: 'Too long.' })
  has(t, await now(), { send_failures: 0, send_resume_at: null }, 'a refusal is an answer')
  t.equal((await inbox.log()).filter(type => type === 'channel.recovered').length, 1)
  has(t, await take(replies[7]!, '09:07:33'), { task: 'send' })
  has(t, await take(replies[8]!, '09:07:33'), { task: 'send' })
})

t.test('a reply that is to wait by itself keeps no other one waiting', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00', { thread_key: 't-1' })], at('09:00:01'))
  await inbox.deliver(channel, [message('m-2', '09:00:00', { thread_key: 't-2' })], at('09:00:01'))
  const [first, second] = await inbox.everything('conversations')
  const greylisted = await inbox.reply(first!.id, at('09:05:00'))
  const other = await inbox.reply(second!.id, at('09:05:00'))
  const later = { outcome: 'retry' as const, reason: 'Try again later.', retry_at: at('09:10:00') }
  await inbox.send(greylisted, at('09:06:00'), { ...later, scope: 'reply' })
  has(t, await inbox.run(trx => findChannel(trx, channel.id)), { resume_at: null, send_failures: 0 })
  has(t, await inbox.run(trx => takeSendTask(trx, other.id, at('09:06:01'))), { task: 'send' })
  await inbox.send(other, at('09:06:01'), later)
  has(t, await inbox.run(trx => findChannel(trx, channel.id)), { send_resume_at: at('09:10:00'), send_failures: 1 })
})

t.test('what a network asks for outlasts the answers and failures of other calls', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const replies: Message[] = []
  for (const key of ['t-1', 't-2', 't-3', 't-4'])
    await inbox.deliver(channel, [message(`m-${key}`, '09:00:00', { thread_key: key })], at('09:00:01'))
  for (const { id } of await inbox.everything('conversations')) replies.push(await inbox.reply(id, at('09:05:00')))
  const [first, second, third, fourth] = replies as [Message, Message, Message, Message]
  const now = () => inbox.run(trx => findChannel(trx, channel.id))
  // All three are on their way when the network answers the first.
  const attempts: (SendAttempt | undefined)[] = []
  for (const reply of [first, second, third])
    attempts.push(await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:06:00'))))
  const later = { outcome: 'retry' as const, reason: '429', retry_at: at('09:20:00') }
  const finish = (index: number, outcome: Parameters<typeof finishSendAttempt>[2]) =>
    inbox.run(trx => finishSendAttempt(trx, attempts[index]!, outcome, at('09:06:05')))
  await finish(0, later)
  await finish(1, unknown)
  await finish(2, { outcome: 'rejected', reason: 'Too long.' })
  has(t, await now(), { send_resume_at: at('09:20:00'), send_failures: 0 })
  const take = (time: string) => inbox.run(trx => takeSendTask(trx, fourth.id, at(time)))
  has(t, await take('09:19:59'), { reason: 'channel_not_ready', again_at: at('09:20:00') })
  has(t, await take('09:20:00'), { task: 'send' })
})
