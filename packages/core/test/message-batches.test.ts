import { randomUUID } from 'node:crypto'
import {
  changeConversation,
  changeDismissalReasons,
  dismissMessage,
  mergeConversations,
  undismissMessage,
  undoBatch,
} from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { moderation } from './batches.ts'
import { at, deletion, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const REASON = 'Only thanks'

/** Ana has written twice, Ben once, in one thread; an answer is promised within an hour. */
async function thread() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('ana-1', '09:00:00')], at('09:00:01'))
  await inbox.deliver(channel, [message('ana-2', '09:01:00')], at('09:01:01'))
  await inbox.deliver(channel, [message('ben-1', '09:02:00', { author: 'ben' })], at('09:02:01'))
  const conversation = await inbox.only('conversations')
  return { inbox, channel, conversation, ...moderation(inbox) }
}
const waiting = async (inbox: Inbox) =>
  (await inbox.everything('waits'))
    .filter(wait => !wait.closed_at)
    .map(wait => wait.opened_at)
    .sort((a, b) => a.getTime() - b.getTime())

t.test('each message that is named has a result of its own', async t => {
  const { inbox, channel, idsOf, find, make, goOn, results, items } = await thread()
  await inbox.deliver(channel, [message('eve-1', '09:03:00', { author: 'eve' })], at('09:03:01'))
  await inbox.deliver(channel, [deletion('eve-1', '09:04:00')], at('09:04:01'))
  const ben = await find('ben-1')
  const ids = { conversation_id: ben.conversation_id, message_id: ben.id }
  await inbox.run(trx =>
    dismissMessage(trx, ids, { reason: 'No question', as: 'no_reply_needed' }, inbox.agent, at('09:05:00')),
  )
  const nowhere = randomUUID()
  const message_ids = [nowhere, ...(await idsOf('ana-1', 'ana-2', 'ben-1', 'eve-1'))]
  const made = await make({ action: 'dismiss', reason: REASON, message_ids })
  has(t, made, { state: 'running', total: 5, done: 0, refused: 1, selection: null, inbox_ids: [inbox.inbox_id] })
  has(t, await goOn(made), { state: 'finished', done: 2, unchanged: 1, refused: 2, finished_at: at('10:00:01') })
  const expected = { 'ana-1': 'done', 'ana-2': 'done', 'ben-1': 'unchanged', 'eve-1': 'conflict' }
  t.same(await results(made), { ...expected, undefined: 'not_found' })
  has(t, await find('ana-1'), { dismissed_reason: REASON, dismissed_by_id: inbox.agent.id })
  has(t, await find('ben-1'), { dismissed_reason: 'No question', dismissed_at: at('09:05:00') })
  const refused = (await items(made)).find(item => item.code === 'conflict')!
  t.match(refused, { detail: /Nobody has to answer/, at: at('10:00:01') })
  t.same(await waiting(inbox), [])
})

t.test('the log tells who dismissed what, why and in which batch, and that it began and ended', async t => {
  const { inbox, conversation, act, log } = await thread()
  const batch = await act({ action: 'dismiss', reason: REASON, conversation_id: conversation.id })
  const dismissed = await log('message.dismissed')
  t.equal(dismissed.length, 3)
  for (const event of dismissed) {
    has(t, event, { actor_id: inbox.agent.id, conversation_id: conversation.id, at: at('10:00:01') })
    t.match(event.data, { reason: REASON, batch_id: batch.id })
  }
  const cancelled = await log('sla.cancelled')
  t.same(
    cancelled.map(({ data }) => (data as { batch_id: string }).batch_id),
    [batch.id, batch.id],
    'the promises to Ana and Ben, each once',
  )
  t.same(await log('sla.retargeted'), [], 'a wait does not go from one dismissed message to the next')
  const about = { batch_id: batch.id, action: 'dismiss', reason: REASON, total: 3, inbox_ids: [inbox.inbox_id] }
  const [created] = await log('message_batch.created')
  t.match(created, { actor_type: 'user', actor_id: inbox.agent.id, data: about })
  t.match(created!.data, { selection: { conversation_id: conversation.id }, more: false })
  const [finished, ...others] = await log('message_batch.finished')
  t.match(finished, { actor_id: inbox.agent.id, data: { ...about, done: 3, unchanged: 0, refused: 0 } })
  t.same(others, [])
})

t.test('a selection is of what customers wrote that waits for it, and of nothing that came in later', async t => {
  const { inbox, channel, conversation, make, goOn, results } = await thread()
  await inbox.send(await inbox.reply(conversation.id, at('09:10:00')), at('09:10:01'))
  await inbox.deliver(channel, [message('ana-3', '09:20:00'), message('ana-4', '09:21:00')], at('09:21:01'))
  await inbox.deliver(channel, [deletion('ana-4', '09:22:00')], at('09:22:01'))
  const robot = { author: 'robot', automatic: true }
  await inbox.deliver(channel, [message('robot-1', '09:23:00', robot)], at('09:23:01'))
  const batch = await make({ action: 'dismiss', reason: REASON, conversation_id: conversation.id })
  await inbox.deliver(channel, [message('ana-5', '09:59:00')], at('10:00:00'))
  await goOn(batch)
  const got = await results(batch)
  t.notOk('ana-5' in got, 'what nobody has seen')
  t.notOk('ana-4' in got || 'robot-1' in got, 'what needs no answer')
  t.equal(got['ana-3'], 'done')
  t.notOk(Object.values(got).includes('conflict'), 'what is answered was not selected')
  t.same(await waiting(inbox), [at('09:59:00')], 'Ana waits since what came later')
})

t.test('what came in after the last message that was seen is left out, whenever it was written', async t => {
  const { inbox, channel, conversation, idsOf, find, make, results } = await thread()
  await inbox.deliver(channel, [message('ana-0', '08:59:00')], at('09:30:00'))
  const order = { action: 'dismiss' as const, reason: REASON, conversation_id: conversation.id }
  const [first] = await idsOf('ana-1')
  t.same(await results(await make({ ...order, up_to: first })), { 'ana-1': 'pending' })
  t.same(Object.keys(await results(await make({ ...order, up_to: at('09:02:01') }))), ['ana-1', 'ana-2', 'ben-1'])
  t.equal((await make({ ...order, up_to: (await find('ana-0')).id })).total, 4)
  await t.rejects(make({ ...order, up_to: randomUUID() }), { code: 'validation_failed', message: /up_to/ })
  const elsewhere = await openInbox()
  await elsewhere.deliver(await elsewhere.addChannel(), [message('x', '09:00:00')], at('09:00:01'))
  const { id } = await elsewhere.only('messages')
  await t.rejects(make({ ...order, up_to: id }), { code: 'validation_failed' })
  await t.rejects(make({ ...order, conversation_id: (await elsewhere.only('conversations')).id }), {
    code: 'validation_failed',
  })
})

t.test('what lies in an inbox that the caller does not see is answered like what is not there', async t => {
  const { idsOf, conversation, make, items } = await thread()
  const outsider = { inbox_ids: [randomUUID()] }
  const message_ids = [...(await idsOf('ana-1')), randomUUID()]
  const batch = await make({ action: 'like', message_ids }, '10:00:00', outsider)
  has(t, batch, { state: 'finished', total: 2, refused: 2, inbox_ids: [] })
  const told = (await items(batch)).map(({ message_id: _, ...item }) => item)
  t.same(told[0], told[1])
  has(t, told[0]!, { code: 'not_found', conversation_id: null })
  const selected = make({ action: 'like', conversation_id: conversation.id }, '10:00:00', outsider)
  await t.rejects(selected, { code: 'validation_failed' })
})

t.test('a batch in which nothing is to be done has finished at once', async t => {
  const { conversation, make, log } = await thread()
  const batch = await make({ action: 'undismiss', conversation_id: conversation.id })
  has(t, batch, { state: 'finished', total: 0, finished_at: at('10:00:00') })
  t.equal((await log('message_batch.finished')).length, 1)
})

t.test('taken back, everybody waits since they wrote, as if nothing had been dismissed', async t => {
  const { inbox, conversation, act, undo, those, read } = await thread()
  const before = await waiting(inbox)
  const batch = await act({ action: 'dismiss', reason: REASON, conversation_id: conversation.id })
  t.same(await waiting(inbox), [])
  const undone = await undo(batch)
  has(t, undone, { action: 'undismiss', undoes: batch.id, total: 3, done: 3, state: 'finished' })
  has(t, await read(batch), { undone_by: undone.id })
  t.same(await waiting(inbox), before)
  t.same(await those(({ dismissed_at }) => dismissed_at), [])
  has(t, await inbox.only('conversations'), { waiting_since: at('09:00:00'), next_due_at: at('10:00:00') })
})

t.test('what the batch found done already stays so, and what somebody changed since is left to them', async t => {
  const { inbox, conversation, idsOf, find, act, undo, results } = await thread()
  const placeOf = async (name: string) => ({ conversation_id: conversation.id, message_id: (await find(name)).id })
  const dismiss = async (name: string, time: string) => {
    const place = await placeOf(name)
    return inbox.run(trx =>
      dismissMessage(trx, place, { reason: 'Mine', as: 'no_reply_needed' }, inbox.agent, at(time)),
    )
  }
  await dismiss('ben-1', '09:30:00')
  const message_ids = await idsOf('ana-1', 'ana-2', 'ben-1')
  const batch = await act({ action: 'dismiss', reason: REASON, message_ids })
  const place = await placeOf('ana-2')
  await inbox.run(trx => undismissMessage(trx, place, inbox.agent, at('10:05:00')))
  await dismiss('ana-2', '10:06:00')
  const undone = await undo(batch)
  t.same(await results(undone), { 'ana-1': 'done', 'ana-2': 'changed_since' })
  has(t, await find('ana-2'), { dismissed_reason: 'Mine' })
  has(t, await find('ben-1'), { dismissed_reason: 'Mine', dismissed_at: at('09:30:00') })
})

t.test('a dismissal that was taken back is said again with its own reason, however often', async t => {
  const { inbox, conversation, idsOf, find, act, undo } = await thread()
  const [message_id] = await idsOf('ben-1')
  const place = { conversation_id: conversation.id, message_id: message_id! }
  await inbox.run(trx =>
    dismissMessage(trx, place, { reason: 'A joke', as: 'no_reply_needed' }, inbox.agent, at('09:30:00')),
  )
  await act({ action: 'dismiss', reason: REASON, conversation_id: conversation.id }, '09:40:00')
  const taken = await act({ action: 'undismiss', conversation_id: conversation.id })
  has(t, taken, { done: 3 })
  const again = await undo(taken, '10:10:00')
  has(t, again, { action: 'dismiss', done: 3 })
  has(t, await find('ben-1'), { dismissed_reason: 'A joke' })
  has(t, await find('ana-1'), { dismissed_reason: REASON })
  const third = await undo(again, '10:20:00')
  has(t, await undo(third, '10:30:00'), { action: 'dismiss', done: 3, undoes: third.id })
  has(t, await find('ben-1'), { dismissed_reason: 'A joke' })
})

t.test('who has been answered since keeps the answer', async t => {
  const { inbox, channel, conversation, act, undo, results } = await thread()
  const batch = await act({ action: 'dismiss', reason: REASON, conversation_id: conversation.id }, '09:30:00')
  await inbox.deliver(channel, [message('ana-3', '09:40:00')], at('09:40:01'))
  const [asked] = (await inbox.everything('messages')).filter(row => row.external_id === 'ana-3')
  const reply = await inbox.reply(conversation.id, at('09:50:00'), { in_reply_to: asked!.id })
  await inbox.send(reply, at('09:50:01'))
  t.same(await results(await undo(batch)), { 'ana-1': 'conflict', 'ana-2': 'conflict', 'ben-1': 'done' })
})

t.test('deletions are not taken back, and nothing is taken back twice', async t => {
  const { inbox, conversation, idsOf, act, undo, log } = await thread()
  const reply = await inbox.reply(conversation.id, at('09:10:00'))
  await inbox.send(reply, at('09:10:01'))
  const deleted = await act({ action: 'delete', message_ids: [reply.id, ...(await idsOf('ben-1'))] })
  has(t, deleted, { done: 1, refused: 1 })
  await t.rejects(undo(deleted), { code: 'conflict', message: /does not come back/ })
  const liked = await act({ action: 'like', message_ids: await idsOf('ben-1') })
  const undone = await undo(liked)
  await t.rejects(undo(liked), { code: 'conflict', details: { undone_by: undone.id } })
  const foreign = { inbox_ids: [randomUUID()] }
  const unseen = inbox.run(trx => undoBatch(trx, undone.id, foreign, inbox.agent, at('11:00:00')))
  await t.rejects(unseen, { code: 'not_found' })
  t.equal((await log('message_batch.created')).length, 3)
})

t.test('a batch that is taken back while it goes on stops, and only what it did is taken back', async t => {
  const { inbox, conversation, make, part, undo, read, results } = await thread()
  const batch = await make({ action: 'dismiss', reason: REASON, conversation_id: conversation.id })
  t.equal((await part(batch.id, '10:00:01', 1)).ended, 'more')
  const undone = await undo(batch, '10:00:05')
  has(t, await read(batch), { state: 'finished', done: 1, refused: 2, finished_at: at('10:00:05') })
  t.same(await results(batch), { 'ana-1': 'undone', 'ana-2': 'undone', 'ben-1': 'done' })
  t.same(await results(undone), { 'ben-1': 'done' })
  t.equal((await part(batch.id, '10:00:06')).ended, 'taken')
  t.same(await waiting(inbox), [at('09:00:00'), at('09:02:00')])
})

t.test('what stands in another conversation by the time its turn comes is found there', async t => {
  const { inbox, channel, conversation, make, goOn } = await thread()
  await inbox.deliver(channel, [message('dan-1', '09:05:00', { thread_key: 't-2', author: 'dan' })], at('09:05:01'))
  const other = (await inbox.everything('conversations')).find(({ id }) => id !== conversation.id)!
  const batch = await make({ action: 'dismiss', reason: REASON, conversation_id: other.id })
  const merge = { into_id: conversation.id, from_id: other.id, into_version: conversation.version }
  await inbox.run(trx => mergeConversations(trx, merge, inbox.agent, at('10:00:00')))
  has(t, await goOn(batch), { done: 1 })
  const pointer = make({ action: 'dismiss', reason: REASON, conversation_id: other.id })
  await t.rejects(pointer, { code: 'conversation_merged' })
})

t.test('in spam it can be said too, and nobody waits there when it is taken back', async t => {
  const { inbox, conversation, act, undo } = await thread()
  const spam = (status: 'spam' | 'open') =>
    inbox.run(async trx => {
      const { version } = await trx.selectFrom('conversations').select('version').executeTakeFirstOrThrow()
      return changeConversation(trx, conversation.id, { status }, version, inbox.agent, at('09:30:00'))
    })
  await spam('spam')
  const batch = await act({ action: 'dismiss', reason: REASON, conversation_id: conversation.id })
  has(t, batch, { done: 3 })
  has(t, await undo(batch), { done: 3 })
  t.same(await waiting(inbox), [])
  await spam('open')
  t.equal((await waiting(inbox)).length, 2)
})

t.test('messages that are dismissed as spam are so again when taking that back is taken back', async t => {
  const { idsOf, find, act, undo } = await thread()
  const order = { action: 'dismiss' as const, reason: 'Phishing', as: 'spam' as const }
  const batch = await act({ ...order, message_ids: await idsOf('ana-1', 'ben-1') })
  has(t, await find('ben-1'), { disposition: 'spam', dismissed_reason: 'Phishing' })
  const undone = await undo(batch)
  has(t, await find('ben-1'), { disposition: 'unhandled', dismissed_as: null })
  await undo(undone, '10:20:00')
  has(t, await find('ana-1'), { disposition: 'spam', dismissed_reason: 'Phishing' })
})

t.test(
  'what was dismissed for a reason is dismissed for it again, though the workspace has left it out since',
  async t => {
    const { inbox, idsOf, find, act, undo } = await thread()
    const message_ids = await idsOf('ana-1')
    await act({ action: 'dismiss', reason: 'An old reason', message_ids })
    const taken = await act({ action: 'undismiss', message_ids }, '10:05:00')
    await inbox.run(trx => changeDismissalReasons(trx, ['Only thanks'], inbox.agent, at('10:06:00')))
    has(t, await undo(taken), { done: 1, refused: 0 })
    has(t, await find('ana-1'), { disposition: 'no_reply_needed', dismissed_reason: 'An old reason' })
  },
)

t.test('a batch for a reason that the workspace does not list is not made', async t => {
  const { inbox, idsOf, make } = await thread()
  await inbox.run(trx => changeDismissalReasons(trx, ['Only thanks'], inbox.agent, at('09:30:00')))
  const message_ids = await idsOf('ana-1')
  await t.rejects(make({ action: 'dismiss', reason: 'Because', message_ids }), { code: 'validation_failed' })
  has(t, await make({ action: 'dismiss', reason: 'Only thanks', message_ids }), { state: 'running' })
})
