import { assignConversation, changeConversation, changeUser, setAvailability } from '@parley/core'
import { updateUser } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { at, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** A conversation that the agent owns and has resolved. */
async function resolved(inbox: Inbox) {
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const { id } = await inbox.only('conversations')
  await inbox.run(async trx => {
    const owners = { from: null, to: inbox.agent.id }
    const { version } = await assignConversation(trx, id, owners, inbox.agent, at('09:01:00'))
    await changeConversation(trx, id, { status: 'resolved' }, version, inbox.agent, at('09:02:00'))
  })
  const again = () => inbox.deliver(channel, [message('m-2', '11:00:00')], at('11:00:01'))
  return { again }
}

t.test('a conversation that a customer opens again stays with its owner, who is there', async t => {
  const inbox = await openInbox()
  const { again } = await resolved(inbox)
  await again()
  has(t, await inbox.only('conversations'), { status: 'open', assignee_id: inbox.agent.id })
})

t.test('it goes back to the queue when its owner is disabled or out of office', async t => {
  const ways: Record<string, (inbox: Inbox) => Promise<unknown>> = {
    disabled: inbox =>
      inbox.run(trx => changeUser(trx, inbox.agent.id, { status: 'disabled' }, inbox.agent, at('10:00:00'))),
    'out of office': inbox => {
      const gone = { availability: 'out_of_office' as const, until: at('12:00:00') }
      return inbox.run(trx => setAvailability(trx, inbox.agent.id, gone, inbox.agent, at('10:00:00')))
    },
  }
  for (const [what, leave] of Object.entries(ways)) {
    const inbox = await openInbox()
    const { again } = await resolved(inbox)
    await leave(inbox)
    has(t, await inbox.only('conversations'), { status: 'resolved', assignee_id: inbox.agent.id }, what)
    await again()
    has(t, await inbox.only('conversations'), { status: 'open', assignee_id: null }, what)
    const log = await inbox.log()
    t.ok(log.indexOf('conversation.reopened') < log.indexOf('conversation.unassigned'), `${what}: in that order`)
  }
})

t.test('who said until when they are out of office keeps what is opened again after that', async t => {
  const inbox = await openInbox()
  const { again } = await resolved(inbox)
  const gone = { availability: 'out_of_office' as const, out_of_office_until: at('10:30:00') }
  await inbox.run(trx => updateUser(trx, inbox.agent.id, gone))
  await again()
  has(t, await inbox.only('conversations'), { assignee_id: inbox.agent.id })
})
