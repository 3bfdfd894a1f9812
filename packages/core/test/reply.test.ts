import { acknowledgeOutbox, beginSendAttempt, finishSendAttempt, postponeReply, takeSendTask } from '@parley/core'
import { findChannel, findMessage, type Message, type SendAttempt, updateChannel, updateMessage } from '@parley/db'
import type { DomainError } from '@parley/domain'
import { capabilities, has } from '@parley/testing'
import t from 'tap'
import { at, deletion, type Inbox, message, openInboxes } from './inbox.ts'

const { db, openInbox } = await openInboxes(t)

/** An inbox in which Ana has asked at nine. */
async function asked(inbox: Inbox) {
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  return { channel, conversation: await inbox.only('conversations'), question: await inbox.only('messages') }
}

const stored = async (inbox: Inbox, { id }: Message) => (await inbox.run(trx => findMessage(trx, id)))!
const begin = (inbox: Inbox, { id }: Message, now: Date) => inbox.run(trx => beginSendAttempt(trx, id, {}, null, now))
const take = (inbox: Inbox, { id }: Message, now: Date) => inbox.run(trx => takeSendTask(trx, id, now))
const finish = (inbox: Inbox, attempt: SendAttempt, external_id: string, accepted_at: Date, now: Date) =>
  inbox.run(trx => finishSendAttempt(trx, attempt, { outcome: 'sent', external_id, accepted_at, permalink: null }, now))

t.test('a reply that the network would not take is refused before it is stored', async t => {
  const inbox = await openInbox()
  const { conversation } = await asked(inbox)
  const limits = capabilities({
    text: { counting: 'graphemes', max_characters: 5, max_bytes: 40, link_characters: null },
  })
  const reply = (body: string) => inbox.reply(conversation.id, at('09:05:00'), { body }, { capabilities: limits })
  const family = '👨‍👩‍👧‍👦'
  await t.rejects(reply('abcdef'), { code: 'reply_refused', message: /5 characters; this has 6/ })
  await t.rejects(reply(family.repeat(2)), { code: 'reply_refused', message: /40 bytes; this has 50/ })
  t.equal((await inbox.everything('messages')).length, 1)
  t.equal((await reply(`${family}abcd`)).state, 'queued', 'a family is one character')
})

t.test('a reply is refused with what was said since, unless its author insists', async t => {
  const inbox = await openInbox()
  const { channel, conversation, question } = await asked(inbox)
  const seen = { seen_up_to: question.id }
  await inbox.deliver(channel, [message('b-1', '09:01:00', { author: 'ben', text: 'Me too' })], at('09:01:01'))
  const refused: DomainError = await inbox.reply(conversation.id, at('09:05:00'), seen).then(
    () => t.fail('was stored'),
    error => error,
  )
  has(t, refused, { code: 'newer_messages', details: { messages: [{ body: 'Me too' }] } })
  const forced = await inbox.reply(conversation.id, at('09:05:00'), { ...seen, force: true })
  t.equal(forced.state, 'queued')
  await inbox.deliver(channel, [message('b-2', '09:06:00', { author: 'ben' })], at('09:06:01'))
  const colleague = inbox.reply(conversation.id, at('09:07:00'), { seen_up_to: question.id })
  await t.rejects(
    colleague,
    { code: 'newer_messages', details: { messages: { length: 3 } } },
    'our own reply counts too',
  )
  await inbox.deliver(channel, [deletion('b-2', '09:08:00')], at('09:08:01'))
  const last = await inbox.reply(conversation.id, at('09:09:00'), { seen_up_to: forced.id })
  t.equal(last.state, 'queued', 'what is deleted is not unseen')
  const elsewhere = { seen_up_to: '00000000-0000-7000-8000-000000000000' }
  await t.rejects(inbox.reply(conversation.id, at('09:08:00'), elsewhere), { code: 'validation_failed' })
})

t.test('a reply answers a visible message of a customer in its own conversation, or is refused', async t => {
  const inbox = await openInbox()
  const { channel, conversation, question } = await asked(inbox)
  await inbox.deliver(channel, [message('x-1', '09:01:00', { thread_key: 't-2', author: 'ben' })], at('09:01:01'))
  const foreign = (await inbox.everything('messages')).find(row => row.external_id === 'x-1')!
  const now = at('09:05:00')
  const answer = (in_reply_to: string) => inbox.reply(conversation.id, now, { in_reply_to })
  await t.rejects(answer(foreign.id), { code: 'validation_failed' })
  const own = await answer(question.id)
  has(t, own, { in_reply_to: question.id, contact_id: question.contact_id })
  await t.rejects(answer(own.id), { code: 'validation_failed' }, 'our own reply is no question')
  await inbox.deliver(channel, [deletion('m-1', '09:06:00')], at('09:06:01'))
  await t.rejects(answer(question.id), { code: 'reply_refused', message: /deleted/ })
  has(t, await inbox.reply(conversation.id, now), { in_reply_to: null, contact_id: question.contact_id })
  await t.rejects(inbox.reply(foreign.id, now), { code: 'not_found' })
  await inbox.run(trx => updateChannel(trx, channel.id, { status: 'deleted' }))
  await t.rejects(inbox.reply(conversation.id, now), { code: 'reply_refused', message: /gone/ })
})

t.test('what was said first in a conversation is sent first', async t => {
  const inbox = await openInbox()
  const { conversation } = await asked(inbox)
  const first = await inbox.reply(conversation.id, at('09:05:00'))
  const second = await inbox.reply(conversation.id, at('09:05:01'))
  const now = at('09:06:00')
  has(t, await take(inbox, second, now), { task: 'nothing', reason: 'earlier_reply_first' })
  has(t, await take(inbox, first, now), {
    task: 'send',
    thread_key: 't-1',
    parent: { external_id: 'm-1' },
  })
  const attempt = (await begin(inbox, first, now))!
  has(t, await take(inbox, second, now), { task: 'nothing', reason: 'earlier_reply_first' }, 'while it is sending too')
  t.equal(await finish(inbox, attempt, 'r-1', now, now), second.id, 'the end of the first names the second')
  has(t, await take(inbox, second, now), { task: 'send' })
})

t.test('nothing is sent before its time, nor while its channel is not ready', async t => {
  const inbox = await openInbox()
  const { channel, conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  await inbox.run(trx => postponeReply(trx, reply.id, at('09:07:00')))
  has(t, await take(inbox, reply, at('09:06:59')), { task: 'nothing', reason: 'not_due' })
  for (const change of [{ status: 'disabled' as const }, { status: 'active' as const, resume_at: at('09:08:00') }]) {
    await inbox.run(trx => updateChannel(trx, channel.id, change))
    has(t, await take(inbox, reply, at('09:07:00')), { task: 'nothing', reason: 'channel_not_ready' })
  }
  has(t, await take(inbox, reply, at('09:08:00')), { task: 'send' })
  await inbox.run(trx => updateChannel(trx, channel.id, { status: 'deleted' }))
  has(t, await take(inbox, reply, at('09:08:00')), { task: 'nothing', reason: 'channel_gone' })
  has(t, await stored(inbox, reply), { state: 'cancelled', next_attempt_at: null })
})

t.test('twenty workers at once begin one attempt', async t => {
  const inbox = await openInbox()
  const { conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const workers = Array.from({ length: 20 }, () => begin(inbox, reply, at('09:06:00')))
  t.equal((await Promise.all(workers)).filter(attempt => attempt !== undefined).length, 1)
  has(t, await stored(inbox, reply), { state: 'sending', next_attempt_at: at('09:07:00') })
})

t.test('a worker whose lease was taken over records nothing', async t => {
  const inbox = await openInbox()
  const { conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const stale = (await begin(inbox, reply, at('09:06:00')))!
  has(t, await take(inbox, reply, at('09:06:59')), { task: 'nothing', reason: 'not_due' }, 'the lease protects it')
  const taken = await take(inbox, reply, at('09:07:00'))
  if (taken.task !== 'look_up') return t.fail(taken.task)
  has(t, taken.attempt, { number: 1, looks: 1 })
  await finish(inbox, stale, 'from-the-dead', at('09:06:30'), at('09:07:01'))
  has(t, await stored(inbox, reply), { state: 'sending', external_id: null })
  t.equal((await inbox.only('waits')).closed_at, null)
  await finish(inbox, taken.attempt, 'from-the-living', at('09:06:30'), at('09:07:02'))
  has(t, await stored(inbox, reply), { state: 'sent', external_id: 'from-the-living' })
  await finish(inbox, taken.attempt, 'again', at('09:06:30'), at('09:07:03'))
  has(t, await stored(inbox, reply), { external_id: 'from-the-living' }, 'an attempt ends once')
})

t.test('a network is believed about the time only within the time of the call', async t => {
  for (const [said, kept] of [
    ['08:00:00', '09:06:00'],
    ['09:06:10', '09:06:10'],
    ['23:00:00', '09:06:30'],
  ] as const) {
    const inbox = await openInbox()
    const { conversation } = await asked(inbox)
    const reply = await inbox.reply(conversation.id, at('09:05:00'))
    const attempt = (await begin(inbox, reply, at('09:06:00')))!
    await finish(inbox, attempt, 'r-1', at(said), at('09:06:30'))
    t.same((await stored(inbox, reply)).occurred_at, at(kept), said)
    t.same((await inbox.only('waits')).closed_at, at(kept))
  }
})

t.test("a sent reply closes the addressed customer's wait and nobody else's", async t => {
  const inbox = await openInbox()
  const { channel, conversation, question } = await asked(inbox)
  await inbox.deliver(channel, [message('b-1', '09:01:00', { author: 'ben' })], at('09:01:01'))
  const toAna = await inbox.reply(conversation.id, at('09:05:00'), { in_reply_to: question.id, resolve_after: true })
  await inbox.send(toAna, at('09:06:00'))
  const waits = await inbox.everything('waits')
  has(t, waits[0], { contact_id: question.contact_id, closed_at: at('09:06:00'), closed_by_message_id: toAna.id })
  has(t, waits[1], { closed_at: null })
  has(t, await inbox.only('conversations'), { status: 'open', waiting_since: at('09:01:00') }, 'Ben still waits')

  const toBen = await inbox.reply(conversation.id, at('09:07:00'), { resolve_after: true })
  await inbox.send(toBen, at('09:08:00'))
  has(t, await inbox.only('conversations'), {
    status: 'resolved',
    waiting_since: null,
    resolved_at: at('09:08:00'),
    last_message_at: at('09:08:00'),
  })
})

t.test('a reply that a program sends by its own key answers nobody', async t => {
  const inbox = await openInbox()
  await inbox.promise()
  const { conversation } = await asked(inbox)
  const robot = { author: { type: 'api_key' as const, id: inbox.agent.id } }
  await inbox.send(await inbox.reply(conversation.id, at('09:05:00'), robot), at('09:06:00'))
  has(t, await inbox.only('waits'), { closed_at: null })
  has(t, await inbox.only('sla_clocks'), { state: 'running' })
  has(t, await inbox.only('conversations'), { status: 'open', waiting_since: at('09:00:00') })
})

t.test('what a customer added after the author had finished is a new wait', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 3600, next: 7200 })
  const { channel, conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  await inbox.deliver(channel, [message('m-2', '09:05:30')], at('09:05:31'))
  await inbox.send(reply, at('09:06:00'))
  const [answered, open] = await inbox.everything('waits')
  has(t, answered, { ordinal: 1, closed_at: at('09:06:00') })
  has(t, open, { ordinal: 2, opened_at: at('09:05:30'), closed_at: null })
  has(t, await inbox.everything('sla_clocks'), [
    { metric: 'first_response', state: 'fulfilled' },
    { metric: 'next_response', state: 'running', due_at: at('11:05:30') },
  ])
  has(t, await inbox.only('conversations'), { status: 'open', waiting_since: at('09:05:30') })
})

t.test('what a customer added is found however many others spoke before', async t => {
  const inbox = await openInbox()
  const { channel, conversation, question } = await asked(inbox)
  const others = Array.from({ length: 120 }, (_, i) => message(`o-${i}`, '09:00:30', { author: `other-${i}` }))
  await inbox.deliver(channel, others, at('09:01:00'))
  const reply = await inbox.reply(conversation.id, at('09:05:00'), { in_reply_to: question.id })
  await inbox.deliver(channel, [message('m-2', '09:05:30')], at('09:05:31'))
  await inbox.send(reply, at('09:06:00'))
  const anas = (await inbox.everything('waits')).filter(wait => wait.contact_id === question.contact_id)
  has(t, anas, [
    { ordinal: 1, closed_at: at('09:06:00') },
    { ordinal: 2, opened_at: at('09:05:30'), closed_at: null },
  ])
})

t.test('a reply written before the customer asked again leaves that question open', async t => {
  const inbox = await openInbox()
  const { channel, conversation } = await asked(inbox)
  const slow = await inbox.reply(conversation.id, at('09:05:00'))
  await inbox.deliver(channel, [deletion('m-1', '09:05:10')], at('09:05:11'))
  await inbox.deliver(channel, [message('m-2', '09:05:30')], at('09:05:31'))
  await inbox.send(slow, at('09:06:00'))
  has(t, (await inbox.everything('waits'))[1], { opened_at: at('09:05:30'), closed_at: null })
})

t.test('a deletion after an answer does not bring back what was answered', async t => {
  const inbox = await openInbox()
  const { channel, conversation } = await asked(inbox)
  await inbox.send(await inbox.reply(conversation.id, at('09:05:00')), at('09:06:00'))
  await inbox.deliver(channel, [message('m-2', '08:59:00')], at('09:07:00'))
  has(t, (await inbox.everything('waits'))[1], { opened_at: at('08:59:00'), closed_at: null })
  await inbox.deliver(channel, [deletion('m-2', '09:08:00')], at('09:08:01'))
  has(t, (await inbox.everything('waits'))[1], { cancelled_reason: 'customer_deleted' })
  t.equal((await inbox.only('conversations')).waiting_since, null)
})

t.test('an answer in the very millisecond it is due is met; one later is breached and fulfilled', async t => {
  for (const [ms, breached_at] of [
    [0, null],
    [1, at('10:00:00')],
  ] as const) {
    const inbox = await openInbox()
    await inbox.promise({ first: 3600 })
    const { conversation } = await asked(inbox)
    const accepted_at = new Date(at('10:00:00').getTime() + ms)
    await inbox.send(await inbox.reply(conversation.id, at('09:59:00')), accepted_at)
    has(t, await inbox.only('sla_clocks'), {
      state: 'fulfilled',
      due_at: at('10:00:00'),
      fulfilled_at: accepted_at,
      breached_at,
      detected_at: breached_at && accepted_at,
    })
    t.equal((await inbox.log()).includes('sla.breached'), breached_at !== null)
  }
})

t.test('a refusal opens the conversation again and leaves the wait where it began', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 3600 })
  const { conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'), { resolve_after: true })
  await inbox.run(trx =>
    trx
      .updateTable('conversations')
      .set({ status: 'resolved', resolved_at: at('09:05:01') })
      .execute(),
  )
  await inbox.send(reply, at('09:06:00'), { outcome: 'rejected', reason: 'The thread is locked \u0000.' })
  has(t, await stored(inbox, reply), {
    state: 'rejected',
    state_reason: 'The thread is locked .',
    next_attempt_at: null,
  })
  has(t, await inbox.only('conversations'), { status: 'open', resolved_at: null, waiting_since: at('09:00:00') })
  has(t, await inbox.only('waits'), { opened_at: at('09:00:00'), closed_at: null })
  has(t, await inbox.only('sla_clocks'), { state: 'running', due_at: at('10:00:00') })
  t.same((await inbox.log()).slice(-2), ['reply.rejected', 'conversation.reopened'])
})

t.test('a network that asks to wait gets the reply again later, and never earlier than it asked before', async t => {
  const inbox = await openInbox()
  const { channel, conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const later = { outcome: 'retry' as const, reason: '429', retry_at: at('09:20:00') }
  await inbox.send(reply, at('09:06:00'), later)
  has(t, await stored(inbox, reply), { state: 'queued', state_reason: '429', next_attempt_at: at('09:20:00') })
  const now = () => inbox.run(trx => findChannel(trx, channel.id))
  has(t, await now(), { send_resume_at: at('09:20:00'), resume_at: null }, 'comments are read meanwhile')
  has(t, await take(inbox, reply, at('09:19:59')), { reason: 'not_due' })
  await inbox.send(reply, at('09:07:00'), { ...later, retry_at: at('09:10:00') })
  has(t, await now(), { send_resume_at: at('09:20:00') })
  has(t, await take(inbox, reply, at('09:20:00')), { task: 'send' })
  const second = await begin(inbox, reply, at('09:20:00'))
  t.equal(second?.number, 3)
})

t.test('what is not known twice is said once', async t => {
  const inbox = await openInbox()
  const { conversation } = await asked(inbox)
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const unknown = { outcome: 'unknown' as const, reason: 'No answer came.', look_again_at: at('09:06:05') }
  await inbox.send(reply, at('09:06:00'), unknown)
  has(t, await stored(inbox, reply), { state: 'unknown', next_attempt_at: at('09:06:05') })
  const taken = await take(inbox, reply, at('09:06:05'))
  if (taken.task !== 'look_up') return t.fail(taken.task)
  const left = { ...unknown, look_again_at: null }
  await inbox.run(trx => finishSendAttempt(trx, taken.attempt, left, at('09:06:06')))
  has(t, await stored(inbox, reply), { state: 'unknown', next_attempt_at: null }, 'a person decides')
  t.equal((await inbox.log()).filter(type => type === 'reply.unknown').length, 1)
  t.equal((await inbox.only('waits')).closed_at, null)
})

t.test('a reply is out whatever its network calls it', async t => {
  const inbox = await openInbox()
  const { conversation } = await asked(inbox)
  for (const [id, kept] of [
    ['x'.repeat(1024), /^sha256:/],
    ['NUL \u0000', /^sha256:/],
    ['always-the-same', 'always-the-same'],
    ['always-the-same', null],
    ['m-1', null],
  ] as const) {
    const reply = await inbox.reply(conversation.id, at('09:05:00'))
    const attempt = (await begin(inbox, reply, at('09:06:00')))!
    await finish(inbox, attempt, id, at('09:06:01'), at('09:06:02'))
    has(t, await stored(inbox, reply), { state: 'sent', external_id: kept }, id.slice(0, 20))
  }
  has(t, await inbox.only('waits'), { closed_at: at('09:06:01') })
})

t.test('an integration may repeat what became of a reply, and not say something else', async t => {
  const inbox = await openInbox()
  const { channel, conversation } = await asked(inbox)
  const other = await inbox.addChannel()
  const queue = () => inbox.reply(conversation.id, at('09:05:00'), {}, { pulled: true })
  const reply = await queue()
  t.equal(reply.next_attempt_at, null, 'no worker sends it')
  type Said = Parameters<typeof acknowledgeOutbox>[3]
  const acknowledge = (said: Said, { id } = reply, channel_id = channel.id) =>
    inbox.run(trx => acknowledgeOutbox(trx, channel_id, id, said, at('09:06:00')))
  await t.rejects(acknowledge({ external_id: 'their-1' }, reply, other.id), { code: 'not_found' })
  const sent = await acknowledge({ external_id: 'their-1' })
  has(t, sent, { state: 'sent', occurred_at: at('09:06:00') })
  has(t, await inbox.only('waits'), { closed_at: at('09:06:00') })
  t.same(await acknowledge({ external_id: 'their-1' }), sent)
  await t.rejects(acknowledge({ external_id: 'their-2' }), { code: 'conflict' })
  await t.rejects(acknowledge({ rejected_reason: 'no' }), { code: 'conflict' })

  const second = await queue()
  await t.rejects(acknowledge({ external_id: 'their-1' }, second), { code: 'conflict' }, 'the id of another reply')
  await acknowledge({ rejected_reason: 'The review is closed.' }, second)
  has(t, await acknowledge({ rejected_reason: 'closed' }, second), { state_reason: 'The review is closed.' })
  await t.rejects(acknowledge({ external_id: 'their-9' }, second), { code: 'conflict' })

  const long = await queue()
  const answer = { external_id: 'y'.repeat(1000) }
  t.same(await acknowledge(answer, long), await acknowledge(answer, long))
  t.equal((await inbox.log()).filter(type => type === 'reply.sent').length, 2)
})

t.test('a reply and an inbound message of the same thread at once deadlock nobody', async t => {
  const inbox = await openInbox()
  const { channel, conversation } = await asked(inbox)
  for (let round = 0; round < 5; round += 1) {
    const reply = await inbox.reply(conversation.id, at('09:05:00'))
    const attempt = (await begin(inbox, reply, at('09:06:00')))!
    await Promise.all([
      finish(inbox, attempt, `r-${round}`, at('09:06:01'), at('09:06:02')),
      inbox.deliver(
        channel,
        [message(`n-${round}`, '09:06:01'), deletion(`n-${round - 1}`, '09:06:01')],
        at('09:06:02'),
      ),
      inbox.run(trx => updateMessage(trx, reply.id, { permalink: 'https://example.com' })),
    ])
  }
  const waits = await inbox.everything('waits')
  t.ok(waits.filter(wait => wait.closed_at === null).length <= 1)
  t.equal(db.pool.waitingCount, 0)
})
