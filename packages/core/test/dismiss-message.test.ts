import { dismissMessage, undismissMessage } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { at, deletion, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** Ana has asked at nine and again a minute later; an answer is promised within an hour. */
async function askedTwice() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  await inbox.deliver(channel, [message('m-2', '09:01:00')], at('09:01:01'))
  return { inbox, channel, conversation: await inbox.only('conversations') }
}

const ids = async (inbox: Inbox, external_id: string) => {
  const found = (await inbox.everything('messages')).find(row => row.external_id === external_id)!
  return { conversation_id: found.conversation_id, message_id: found.id }
}
const dismiss = async (inbox: Inbox, external_id: string, time: string) => {
  const message = await ids(inbox, external_id)
  return inbox.run(trx =>
    dismissMessage(trx, message, { reason: 'Only thanks', as: 'no_reply_needed' }, inbox.agent, at(time)),
  )
}
const undismiss = async (inbox: Inbox, external_id: string, time: string) => {
  const message = await ids(inbox, external_id)
  return inbox.run(trx => undismissMessage(trx, message, inbox.agent, at(time)))
}
const open = async (inbox: Inbox) => (await inbox.everything('waits')).filter(wait => !wait.closed_at)

t.test(
  'a wait goes on from the next message when the one that opened it is dismissed, and is cancelled with the last',
  async t => {
    const { inbox } = await askedTwice()
    has(t, await dismiss(inbox, 'm-1', '09:05:00'), {
      dismissed_reason: 'Only thanks',
      dismissed_by_id: inbox.agent.id,
    })
    has(t, await inbox.only('waits'), { opened_at: at('09:01:00'), closed_at: null })
    has(t, await inbox.only('sla_clocks'), { due_at: at('10:01:00'), state: 'running' })
    await dismiss(inbox, 'm-2', '09:06:00')
    has(t, await inbox.only('waits'), { closed_at: at('09:06:00'), cancelled_reason: 'dismissed' })
    has(t, await inbox.only('sla_clocks'), { state: 'cancelled', cancelled_reason: 'dismissed' })
    has(t, await inbox.only('conversations'), { waiting_since: null, next_due_at: null })
  },
)

t.test('a dismissal that is taken back lets the customer wait since they wrote, under the same promise', async t => {
  const { inbox } = await askedTwice()
  await dismiss(inbox, 'm-1', '09:05:00')
  await dismiss(inbox, 'm-2', '09:06:00')
  await undismiss(inbox, 'm-2', '09:30:00')
  has(t, await inbox.only('conversations'), { waiting_since: at('09:01:00'), next_due_at: at('10:01:00') })
  await undismiss(inbox, 'm-1', '09:31:00')
  has(t, await inbox.only('conversations'), { waiting_since: at('09:00:00'), next_due_at: at('10:00:00') })
  t.equal((await open(inbox)).length, 1)
  has(t, (await inbox.everything('sla_clocks'))[1]!, { metric: 'first_response', state: 'running' })
})

t.test('dismissing twice changes nothing the second time', async t => {
  const { inbox } = await askedTwice()
  await dismiss(inbox, 'm-1', '09:05:00')
  has(t, await dismiss(inbox, 'm-1', '09:06:00'), { dismissed_at: at('09:05:00') })
  await undismiss(inbox, 'm-1', '09:07:00')
  has(t, await undismiss(inbox, 'm-1', '09:08:00'), { dismissed_at: null })
  const about = (await inbox.log()).filter(type => type.startsWith('message.') && type.endsWith('dismissed'))
  t.same(about, ['message.dismissed', 'message.undismissed'])
})

t.test('what is answered or deleted is neither dismissed nor waited for again', async t => {
  const { inbox, channel, conversation } = await askedTwice()
  await dismiss(inbox, 'm-1', '09:05:00')
  await inbox.send(await inbox.reply(conversation.id, at('09:10:00')), at('09:10:01'))
  await t.rejects(dismiss(inbox, 'm-2', '09:11:00'), { code: 'conflict' })
  await t.rejects(undismiss(inbox, 'm-1', '09:11:00'), { code: 'conflict' })
  t.same(await open(inbox), [])
  await inbox.deliver(channel, [message('m-3', '09:20:00')], at('09:20:01'))
  await dismiss(inbox, 'm-3', '09:21:00')
  await inbox.deliver(channel, [deletion('m-3', '09:22:00')], at('09:22:01'))
  await t.rejects(undismiss(inbox, 'm-3', '09:23:00'), { code: 'conflict' })
  t.same(await open(inbox), [])
})

t.test('a reply whose customer waits for nothing any more still forbids taking the dismissal back', async t => {
  const { inbox, conversation } = await askedTwice()
  const queued = await inbox.reply(conversation.id, at('09:04:00'))
  await dismiss(inbox, 'm-1', '09:05:00')
  await dismiss(inbox, 'm-2', '09:05:00')
  await inbox.send(queued, at('09:10:01'))
  await t.rejects(undismiss(inbox, 'm-2', '09:11:00'), { code: 'conflict' })
})
