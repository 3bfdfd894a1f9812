import { cancelAction, finishAction, queueAction, takeActionTask } from '@parley/core'
import { findMessage, findMessageAction, listVersions, type MessageAction } from '@parley/db'
import { ACTION_VERBS, type ActionVerb } from '@parley/domain'
import { capabilities, has } from '@parley/testing'
import t from 'tap'
import { at, deletion, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

async function talk() {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const question = await inbox.only('messages')
  const answer = await inbox.reply(question.conversation_id, at('09:05:00'))
  await inbox.send(answer, at('09:05:01'))
  const act = (verb: ActionVerb, message_id = question.id, more: { body?: string; hold_seconds?: number } = {}) => {
    const draft = { conversation_id: question.conversation_id, message_id, verb, actor: inbox.agent, ...more }
    return inbox.run(trx => queueAction(trx, draft, () => capabilities({ actions: [...ACTION_VERBS] }), at('09:10:00')))
  }
  const take = (action: MessageAction, time: string) => inbox.run(trx => takeActionTask(trx, action.id, at(time)))
  /** Does it, with an answer of the network two seconds later. */
  const done = async (action: MessageAction, time = '09:10:01') => {
    const task = await take(action, time)
    if (task.task !== 'act') throw new Error(task.reason)
    const accepted_at = new Date(at(time).getTime() + 2_000)
    const result = { outcome: 'sent' as const, accepted_at }
    await inbox.run(trx => finishAction(trx, task.attempt, result, accepted_at, 0))
  }
  const find = async ({ id }: { id: string }) => (await inbox.run(trx => findMessage(trx, id)))!
  const state = async ({ id }: MessageAction) => (await inbox.run(trx => findMessageAction(trx, id)))!
  return { inbox, channel, question, answer, act, take, done, find, state }
}

t.test('what the network accepts is shown: liked, hidden, deleted, edited', async t => {
  const { inbox, question, answer, act, done, find } = await talk()
  await done(await act('like'))
  has(t, await find(question), { liked_at: at('09:10:03') })
  await done(await act('unlike'))
  t.equal((await find(question)).liked_at, null)
  await done(await act('hide'))
  has(t, await find(question), { hidden_at: at('09:10:03'), body: question.body })
  await done(await act('unhide'))
  t.equal((await find(question)).hidden_at, null)
  await done(await act('edit', answer.id, { body: 'It arrives tomorrow.' }))
  const edited = await find(answer)
  has(t, edited, { body: 'It arrives tomorrow.', edited_at: at('09:10:03') })
  const versions = await inbox.run(trx => listVersions(trx, edited))
  t.same(
    versions.map(({ body }) => body),
    ['It arrives today.', 'It arrives tomorrow.'],
  )
  await done(await act('delete', answer.id))
  has(t, await find(answer), { deleted_at: at('09:10:03') })
  const log = await inbox.log()
  t.equal(log.filter(type => type === 'action.sent').length, 6)
  t.equal(log.filter(type => type === 'message.deleted').length, 1)
})

t.test('what makes no sense is refused before it is stored', async t => {
  const { inbox, channel, question, answer, act } = await talk()
  const note = { conversation_id: question.conversation_id, message_id: question.id, actor: inbox.agent }
  const none = inbox.run(trx => queueAction(trx, { ...note, verb: 'like' }, () => capabilities(), at('09:10:00')))
  await t.rejects(none, { code: 'action_refused', message: /like/ }, 'a network without likes')
  await t.rejects(act('delete'), { code: 'action_refused' }, 'what a customer wrote is theirs')
  await t.rejects(act('edit', question.id, { body: 'x' }), { code: 'action_refused' })
  await t.rejects(act('hide', answer.id), { code: 'action_refused' }, 'our own is deleted')
  await t.rejects(act('edit', answer.id, { body: 'x'.repeat(301) }), { code: 'action_refused', message: /300/ })
  const unsent = await inbox.reply(question.conversation_id, at('09:06:00'))
  await t.rejects(act('delete', unsent.id), { code: 'action_refused', message: /not on its network/ })
  const elsewhere = { ...note, conversation_id: inbox.inbox_id, verb: 'like' as const }
  await t.rejects(
    inbox.run(trx => queueAction(trx, elsewhere, () => capabilities(), at('09:10:00'))),
    { code: 'not_found' },
  )
  await inbox.deliver(channel, [deletion('m-1', '09:09:00')], at('09:09:01'))
  await t.rejects(act('like'), { code: 'action_refused', message: /deleted/ })
  t.same(await inbox.run(trx => trx.selectFrom('message_actions').selectAll().execute()), [])
})

t.test('what is done to one message is done in the order in which it was asked for', async t => {
  const { act, take, done } = await talk()
  const hide = await act('hide')
  const unhide = await act('unhide')
  has(t, await take(unhide, '09:10:01'), { task: 'nothing', reason: 'earlier_action_first' })
  await done(hide)
  has(t, await take(unhide, '09:10:04'), { task: 'act', attempt: { number: 1 } })
})

t.test('a call whose worker died is made again under a new attempt, and the old one records nothing', async t => {
  const { inbox, question, act, take, find, state } = await talk()
  const like = await act('like')
  const first = await take(like, '09:10:01')
  has(t, await take(like, '09:11:00'), { task: 'nothing', reason: 'not_due' }, 'its lease protects it')
  const second = await take(like, '09:11:01')
  if (first.task !== 'act' || second.task !== 'act') return t.fail('not begun')
  has(t, second.attempt, { number: 2 })
  const accepted = (time: string) => ({ outcome: 'sent' as const, accepted_at: at(time) })
  await inbox.run(trx => finishAction(trx, first.attempt, accepted('09:10:02'), at('09:11:02'), 0))
  t.equal((await find(question)).liked_at, null)
  has(t, await state(like), { state: 'sending' })
  await inbox.run(trx => finishAction(trx, second.attempt, accepted('09:11:03'), at('09:11:03'), 0))
  has(t, await find(question), { liked_at: at('09:11:03') })
  has(t, await state(like), { state: 'sent', next_attempt_at: null })
})

t.test('what has not been begun can be taken back, once it is begun no more', async t => {
  const { inbox, question, act, take, state } = await talk()
  const cancel = (action: MessageAction) => {
    const ids = { message_id: question.id, action_id: action.id }
    return inbox.run(trx => cancelAction(trx, ids, inbox.agent, at('09:10:01')))
  }
  const held = await act('hide', question.id, { hold_seconds: 60 })
  has(t, await cancel(held), { state: 'cancelled', next_attempt_at: null })
  has(t, await cancel(held), { state: 'cancelled' }, 'twice is once')
  has(t, await take(held, '09:11:00'), { task: 'nothing', reason: 'not_due' })
  t.equal((await inbox.log()).filter(type => type === 'action.cancelled').length, 1)
  const begun = await act('like')
  has(t, await take(begun, '09:10:01'), { task: 'act' })
  await t.rejects(cancel(begun), { code: 'conflict' })
  has(t, await state(begun), { state: 'sending' })
  const elsewhere = { message_id: held.id, action_id: held.id }
  await t.rejects(
    inbox.run(trx => cancelAction(trx, elsewhere, inbox.agent, at('09:10:01'))),
    { code: 'not_found' },
  )
})
