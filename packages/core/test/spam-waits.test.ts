import { dismissMessage, undismissMessage } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { at, message, openInboxes, setStatus } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** Ana asked at nine and Ben a minute later; an answer is promised within an hour. */
async function asked() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  await inbox.deliver(channel, [message('m-2', '09:01:00', { author: 'ben' })], at('09:01:01'))
  return { inbox, channel }
}

t.test('nobody waits in spam: waits and clocks end with that reason, and the log says so', async t => {
  const { inbox } = await asked()
  await setStatus(inbox, 'spam', at('09:05:00'))
  for (const wait of await inbox.everything('waits'))
    has(t, wait, { closed_at: at('09:05:00'), cancelled_reason: 'spam', closed_by_message_id: null })
  for (const clock of await inbox.everything('sla_clocks'))
    has(t, clock, { state: 'cancelled', cancelled_reason: 'spam' })
  has(t, await inbox.only('conversations'), { status: 'spam', waiting_since: null, next_due_at: null })
  t.equal((await inbox.log()).filter(type => type === 'sla.cancelled').length, 2)
})

t.test('what is written in spam opens no wait', async t => {
  const { inbox, channel } = await asked()
  await setStatus(inbox, 'spam', at('09:05:00'))
  await inbox.deliver(channel, [message('m-3', '09:06:00', { author: 'eve' })], at('09:06:01'))
  t.equal((await inbox.everything('waits')).length, 2)
  has(t, await inbox.only('conversations'), { waiting_since: null, next_due_at: null })
})

t.test('when it was no spam after all everybody waits since they first asked, also who wrote meanwhile', async t => {
  const { inbox, channel } = await asked()
  await setStatus(inbox, 'spam', at('09:05:00'))
  await inbox.deliver(channel, [message('m-3', '09:06:00', { author: 'eve' })], at('09:06:01'))
  await inbox.deliver(channel, [message('m-4', '09:07:00')], at('09:07:01'))
  await setStatus(inbox, 'open', at('09:30:00'))
  const open = (await inbox.everything('waits')).filter(wait => !wait.closed_at)
  t.same(open.map(wait => wait.opened_at).sort(), [at('09:00:00'), at('09:01:00'), at('09:06:00')])
  has(t, await inbox.only('conversations'), { waiting_since: at('09:00:00'), next_due_at: at('10:00:00') })
})

t.test('who was answered before does not wait again, and neither does whose message was dismissed', async t => {
  const { inbox } = await asked()
  const { id } = await inbox.only('conversations')
  const messages = await inbox.everything('messages')
  const of = (external_id: string) => messages.find(row => row.external_id === external_id)!.id
  await inbox.send(await inbox.reply(id, at('09:02:00'), { in_reply_to: of('m-1') }), at('09:02:01'))
  await setStatus(inbox, 'spam', at('09:05:00'))
  await setStatus(inbox, 'open', at('09:06:00'))
  has(t, await inbox.only('conversations'), { waiting_since: at('09:01:00') })
  const ben = { conversation_id: id, message_id: of('m-2') }
  await inbox.run(trx =>
    dismissMessage(trx, ben, { reason: 'Only thanks', as: 'no_reply_needed' }, inbox.agent, at('09:07:00')),
  )
  await setStatus(inbox, 'spam', at('09:08:00'))
  await inbox.run(trx => undismissMessage(trx, ben, inbox.agent, at('09:09:00')))
  has(t, await inbox.only('conversations'), { waiting_since: null })
  await setStatus(inbox, 'open', at('09:10:00'))
  has(t, await inbox.only('conversations'), { waiting_since: at('09:01:00') })
})
