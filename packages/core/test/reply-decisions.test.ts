import { beginSendAttempt, cancelReply, finishSendAttempt, markNotSent, markSent, retryReply } from '@parley/core'
import { findMessage, listQueuedReplies, type Message, newId, updateMessage } from '@parley/db'
import { capabilities, has } from '@parley/testing'
import t from 'tap'
import { takeSendTask } from '../src/send-reply.ts'
import { at, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const delivery = () => ({ capabilities: capabilities(), pulled: false, countedText: (text: string) => text })
const unknown = { outcome: 'unknown' as const, reason: 'Timed out.', look_again_at: null }

async function asked() {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const conversation = await inbox.only('conversations')
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const now = async ({ id }: Message = reply) => (await inbox.run(trx => findMessage(trx, id)))!
  return { inbox, channel, conversation, reply, now }
}

const decision = (inbox: Inbox, { id }: Message, time: string) => ({
  message_id: id,
  actor: inbox.agent,
  now: at(time),
})
const take = (inbox: Inbox, { id }: Message, time: string) => inbox.run(trx => takeSendTask(trx, id, at(time)))

/** Leaves the reply in doubt, and nothing to be asked by itself. */
async function doubt(inbox: Inbox, reply: Message) {
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:06:00')))
  await inbox.run(trx => finishSendAttempt(trx, attempt!, unknown, at('09:06:01')))
}

t.test('a reply that is held goes out after its time, and can be taken back until then', async t => {
  const { inbox, conversation, reply } = await asked()
  await inbox.run(trx => cancelReply(trx, decision(inbox, reply, '09:05:01')))
  const held = await inbox.reply(conversation.id, at('09:06:00'), { hold_seconds: 30 })
  has(t, held, { state: 'queued', hold_until: at('09:06:30') })
  has(t, await take(inbox, held, '09:06:29'), { task: 'nothing', reason: 'not_due' })
  has(t, await take(inbox, held, '09:06:30'), { task: 'send' })
  const back = await inbox.run(trx => cancelReply(trx, decision(inbox, held, '09:06:31')))
  has(t, back, { state: 'cancelled', next_attempt_at: null, hold_until: null })
  has(t, await take(inbox, held, '09:07:00'), { task: 'nothing', reason: 'not_due' })
  has(t, await inbox.run(trx => cancelReply(trx, decision(inbox, held, '09:07:00'))), back, 'twice is once')
  t.equal((await inbox.log()).filter(type => type === 'reply.cancelled').length, 2)
})

t.test('what a worker has begun to send cannot be taken back, nor sent again', async t => {
  const { inbox, reply, now } = await asked()
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:06:00')))
  const refusal = { code: 'conflict', details: { state: 'sending' } }
  await t.rejects(
    inbox.run(trx => cancelReply(trx, decision(inbox, reply, '09:06:01'))),
    refusal,
  )
  await t.rejects(
    inbox.run(trx => retryReply(trx, decision(inbox, reply, '09:06:01'), delivery)),
    refusal,
  )
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:06:02'), permalink: null }
  await inbox.run(trx => finishSendAttempt(trx, attempt!, sent, at('09:06:03')))
  for (const decide of [
    () => inbox.run(trx => cancelReply(trx, decision(inbox, reply, '09:07:00'))),
    () => inbox.run(trx => retryReply(trx, decision(inbox, reply, '09:07:00'), delivery)),
    () => inbox.run(trx => markSent(trx, decision(inbox, reply, '09:07:00'), {})),
    () => inbox.run(trx => markNotSent(trx, decision(inbox, reply, '09:07:00'), undefined)),
  ]) {
    await t.rejects(decide(), { code: 'conflict', details: { state: 'sent' } })
  }
  has(t, await now(), { state: 'sent', external_id: 'r-1' })
})

t.test('a person who finds a doubtful reply on its network ends the wait at the time it was sent', async t => {
  const { inbox, reply, now } = await asked()
  await doubt(inbox, reply)
  t.equal((await inbox.only('waits')).closed_at, null, 'a doubt answers nobody')
  const early = inbox.run(trx => markSent(trx, decision(inbox, reply, '09:30:00'), { sent_at: at('09:04:59') }))
  await t.rejects(early, { code: 'validation_failed' }, 'not before it was written')
  await inbox.run(trx => markSent(trx, decision(inbox, reply, '09:30:00'), { external_id: 'seen-1' }))
  has(t, await now(), { state: 'sent', external_id: 'seen-1', occurred_at: at('09:06:00') })
  has(t, await inbox.only('waits'), { closed_at: at('09:06:00'), closed_by_message_id: reply.id })
  const [event] = await inbox.run(trx =>
    trx.selectFrom('events').select(['actor_type', 'actor_id']).where('type', '=', 'reply.sent').execute(),
  )
  has(t, event, { actor_type: 'user', actor_id: inbox.agent.id })
})

t.test('one that is under an id already taken is not believed', async t => {
  const { inbox, channel, reply, now } = await asked()
  await doubt(inbox, reply)
  await inbox.deliver(channel, [message('theirs', '09:07:00')], at('09:07:01'))
  const taken = inbox.run(trx => markSent(trx, decision(inbox, reply, '09:30:00'), { external_id: 'theirs' }))
  await t.rejects(taken, { code: 'conflict' })
  has(t, await now(), { state: 'unknown' })
})

t.test('a person who does not find it there leaves it, or sends it again under a new attempt', async t => {
  const { inbox, reply, now } = await asked()
  await doubt(inbox, reply)
  await inbox.run(trx => markNotSent(trx, decision(inbox, reply, '09:30:00'), 'Not in the thread.'))
  has(t, await now(), { state: 'rejected', state_reason: 'Not in the thread.' })
  has(t, await inbox.only('conversations'), { status: 'open' })
  await inbox.run(trx => retryReply(trx, decision(inbox, reply, '09:31:00'), delivery))
  has(t, await now(), { state: 'queued', state_reason: null, next_attempt_at: at('09:31:00') })
  has(t, await take(inbox, reply, '09:31:00'), { task: 'send' })
  has(t, await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:31:01'))), { number: 2 })
})

t.test('whoever was still sending when a person decided records nothing any more', async t => {
  const { inbox, reply, now } = await asked()
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:06:00')))
  await inbox.run(trx => updateMessage(trx, reply.id, { state: 'unknown' }))
  await inbox.run(trx => markNotSent(trx, decision(inbox, reply, '09:30:00'), undefined))
  const late = { outcome: 'sent' as const, external_id: 'late', accepted_at: at('09:30:00'), permalink: null }
  await inbox.run(trx => finishSendAttempt(trx, attempt!, late, at('09:31:00')))
  has(t, await now(), { state: 'rejected', external_id: null })
})

t.test('a part of a long reply that fails keeps the later ones back, and takes them along when sent again', async t => {
  const { inbox, conversation, reply, now } = await asked()
  await inbox.run(trx => cancelReply(trx, decision(inbox, reply, '09:05:01')))
  const text = { counting: 'graphemes' as const, max_characters: 4, max_bytes: 100, link_characters: null }
  const limits = { capabilities: capabilities({ text }) }
  const first = await inbox.reply(conversation.id, at('09:06:00'), { body: 'one two six', split: true }, limits)
  const all = async () =>
    (await inbox.everything('messages'))
      .filter(row => row.part_of === first.id)
      .sort((a, b) => a.part_number! - b.part_number!)
  const [, second, third] = await all()
  has(t, await take(inbox, second!, '09:06:00'), { task: 'nothing', reason: 'earlier_reply_first' })
  await inbox.send(first, at('09:06:01'), { outcome: 'rejected', reason: 'no' })
  for (const part of [second!, third!]) {
    has(t, await take(inbox, part, '09:06:02'), { task: 'nothing', reason: 'part_not_sent' })
    has(t, await now(part), { state: 'rejected', state_reason: /earlier part/ })
  }
  await inbox.run(trx => retryReply(trx, decision(inbox, first, '09:07:00'), delivery))
  t.same(
    (await all()).map(part => part.state),
    ['queued', 'queued', 'queued'],
  )
  await inbox.send(first, at('09:07:01'))
  has(
    t,
    await take(inbox, second!, '09:07:02'),
    { task: 'send', parent: { id: first.id } },
    'it answers the first part',
  )
  await inbox.run(trx => cancelReply(trx, decision(inbox, second!, '09:07:03')))
  t.same(
    (await all()).map(part => part.state),
    ['sent', 'cancelled', 'cancelled'],
    'taking one back takes back what comes after it',
  )
})

t.test('only replies written here are decided about', async t => {
  const { inbox, channel } = await asked()
  await inbox.deliver(channel, [message('n-1', '09:07:00', { from_us: true })], at('09:07:01'))
  const rows = await inbox.everything('messages')
  for (const row of rows.filter(({ author_type }) => author_type !== 'user')) {
    await t.rejects(
      inbox.run(trx => cancelReply(trx, decision(inbox, row, '09:08:00'))),
      { code: 'not_found' },
    )
  }
  const nobody = { id: newId(at('09:00:00')) } as Message
  await t.rejects(
    inbox.run(trx => markNotSent(trx, decision(inbox, nobody, '09:08:00'), undefined)),
    { code: 'not_found' },
  )
})

t.test('an integration is offered what is held when its time has come', async t => {
  const { inbox, channel, conversation, reply } = await asked()
  await inbox.run(trx => cancelReply(trx, decision(inbox, reply, '09:05:01')))
  const held = await inbox.reply(conversation.id, at('09:06:00'), { hold_seconds: 30 }, { pulled: true })
  const offered = (time: string) => inbox.run(trx => listQueuedReplies(trx, channel.id, { limit: 10 }, at(time)))
  t.same(await offered('09:06:29'), [])
  has(t, await offered('09:06:30'), [{ id: held.id }])
})
