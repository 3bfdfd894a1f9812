import type { ConnectorBounce } from '@parley/contracts'
import { beginSendAttempt, finishSendAttempt } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

const bounce = (time: string, fields: Partial<ConnectorBounce> = {}): ConnectorBounce => ({
  type: 'bounce',
  external_id: 'r-1',
  send_token: null,
  recipient: 'ana@example.com',
  reason: 'No such mailbox.',
  permanent: true,
  occurred_at: at(time).toISOString(),
  ...fields,
})

async function answered() {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.promise({ first: 3600 })
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const conversation = await inbox.only('conversations')
  const reply = await inbox.reply(conversation.id, at('09:05:00'))
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:05:01'), permalink: null }
  await inbox.send(reply, at('09:05:01'), sent)
  const row = async () => (await inbox.everything('messages')).find(({ id }) => id === reply.id)!
  return { inbox, channel, reply, row }
}

t.test('a reply that came back was no answer: its customer waits from where they began', async t => {
  const { inbox, channel, row } = await answered()
  has(t, await inbox.only('conversations'), { status: 'pending', waiting_since: null })
  await inbox.deliver(channel, [bounce('09:06:00')], at('09:06:01'))
  has(t, await row(), { state: 'rejected', state_reason: 'No such mailbox.', external_id: 'r-1' })
  has(t, await inbox.only('conversations'), { status: 'open', waiting_since: at('09:00:00') })
  has(t, await inbox.only('waits'), { opened_at: at('09:00:00'), closed_at: null, closed_by_message_id: null })
  has(t, await inbox.only('sla_clocks'), { state: 'running', due_at: at('10:00:00'), fulfilled_at: null })
  const before = await inbox.log()
  await inbox.deliver(channel, [bounce('09:06:00')], at('09:07:00'))
  t.same(await inbox.log(), before, 'told again, nothing changes')
})

t.test('whoever has written since waits from where they first began', async t => {
  const { inbox, channel } = await answered()
  await inbox.deliver(channel, [message('m-2', '09:10:00')], at('09:10:01'))
  await inbox.deliver(channel, [bounce('09:11:00')], at('09:11:01'))
  const waits = await inbox.everything('waits')
  const open = waits.filter(wait => wait.closed_at === null)
  t.equal(open.length, 1)
  has(t, open[0], { opened_at: at('09:00:00') })
  has(
    t,
    waits.find(wait => wait.closed_at !== null),
    { cancelled_reason: 'reply_bounced', closed_by_message_id: null },
  )
})

t.test('a delay is told and changes nothing; what we never sent is left alone', async t => {
  const { inbox, channel, row } = await answered()
  await inbox.deliver(channel, [bounce('09:06:00', { permanent: false })], at('09:06:01'))
  await inbox.deliver(channel, [bounce('09:06:00', { external_id: 'somebody-elses' })], at('09:06:02'))
  await inbox.deliver(channel, [bounce('09:06:00', { external_id: 'm-1' })], at('09:06:03'))
  has(t, await row(), { state: 'sent' })
  has(t, await inbox.only('waits'), { closed_at: at('09:05:01') })
  t.equal((await inbox.log()).filter(type => type === 'reply.bounced').length, 1)
})

t.test('a bounce that comes before the answer of the send call has the last word', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const reply = await inbox.reply((await inbox.only('conversations')).id, at('09:05:00'))
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, 'r-1', at('09:05:01')))
  await inbox.deliver(channel, [bounce('09:05:02', { external_id: null, send_token: reply.id })], at('09:05:03'))
  const sent = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:05:04'), permalink: null }
  await inbox.run(trx => finishSendAttempt(trx, attempt!, sent, at('09:05:05')))
  has(t, (await inbox.everything('messages')).find(({ id }) => id === reply.id)!, { state: 'rejected' })
  has(t, await inbox.only('waits'), { closed_at: null })
})
