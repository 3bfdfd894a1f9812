import { randomUUID } from 'node:crypto'
import {
  assignConversation,
  breachClocks,
  changeConversation,
  changePolicy,
  createPolicy,
  dismissMessage,
  tagConversation,
  untagConversation,
} from '@parley/core'
import { insertUser, lockCandidates } from '@parley/db'
import type { SlaTargets } from '@parley/domain'
import { has } from '@parley/testing'
import { sql } from 'kysely'
import t from 'tap'
import { summaryAt } from './clock-summary.ts'
import { at, CONNECTED, deletion, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** Ana asks at nine what is promised within the hour; nobody ticks unless a test does. */
async function asked(targets: SlaTargets = { first_response: { seconds: 3600 } }) {
  const inbox = await openInbox()
  const policy = await inbox.promise({ first: null, next: null, targets })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('hello', '09:00:00')], at('09:00:00'))
  const { id } = await inbox.only('conversations')
  const clock = () => inbox.only('sla_clocks')
  const change = async (fields: Parameters<typeof changeConversation>[2], time: string) => {
    const { version } = await inbox.only('conversations')
    await inbox.run(trx => changeConversation(trx, id, fields, version, inbox.agent, at(time)))
  }
  const answer = async (time: string, draft: Parameters<typeof inbox.reply>[2] = {}) =>
    inbox.send(await inbox.reply(id, at(time), { force: true, ...draft }), at(time))
  const tick = (time: string) => inbox.run(trx => breachClocks(trx, at(time), 100))
  const summary = async (time: string, metric = 'first_response') => {
    const { rows } = await summaryAt(inbox, at(time))
    return rows.find(row => row.metric === metric)
  }
  return { inbox, policy, channel, id, clock, change, answer, tick, summary }
}

t.test('resolve late between two ticks', async t => {
  const { change, clock } = await asked({ resolution: { seconds: 3600 } })
  await change({ status: 'resolved' }, '10:00:01')
  has(t, await clock(), { state: 'fulfilled', breached_at: at('10:00:00'), detected_at: at('10:00:01') })
})

t.test('reply late between two ticks', async t => {
  const { answer, clock, summary } = await asked()
  await answer('10:00:01')
  has(t, await clock(), { state: 'fulfilled', breached_at: at('10:00:00'), fulfilled_at: at('10:00:01') })
  has(t, await summary('11:00:00'), { met: 0, breached: 1 })
})

t.test('resolve without answering', async t => {
  const { change, clock, tick } = await asked()
  await change({ status: 'resolved' }, '09:10:00')
  has(t, await clock(), { state: 'running' })
  await tick('10:00:01')
  has(t, await clock(), { breached_at: at('10:00:00') }, 'an abandoned conversation breaches with nobody looking')
})

t.test('snooze and reopen', async t => {
  const { change, clock } = await asked()
  await change({ status: 'snoozed', snoozed_until: at('12:00:00') }, '09:10:00')
  await change({ status: 'open' }, '09:50:00')
  has(t, await clock(), { due_at: at('10:00:00'), paused_ms: 0 })
})

t.test('resolve and reopen', async t => {
  const { change, inbox } = await asked({ first_response: { seconds: 3600 }, resolution: { seconds: 7200 } })
  await change({ status: 'resolved' }, '09:30:00')
  await change({ status: 'open' }, '09:31:00')
  const clocks = await inbox.everything('sla_clocks')
  const going = clocks.filter(({ state }) => state === 'running')
  for (const clock of going) has(t, clock, { started_at: at('09:00:00') }, 'no fresh start')
  has(t, going.find(({ metric }) => metric === 'resolution')!, { due_at: at('11:01:00') })
})

t.test('reassign after the miss', async t => {
  const { inbox, id, clock, tick, answer } = await asked()
  const other = randomUUID()
  await inbox.run(trx => insertUser(trx, { id: other, name: 'Other', role: 'agent', created_at: CONNECTED }))
  const give = (from: string | null, to: string, time: string) =>
    inbox.run(trx => assignConversation(trx, id, { from, to }, inbox.agent, at(time)))
  await give(null, inbox.agent.id, '09:10:00')
  await tick('10:00:01')
  await give(inbox.agent.id, other, '10:01:00')
  await answer('10:05:00')
  has(t, await clock(), { owner_id: inbox.agent.id, breached_at: at('10:00:00') }, 'it was whose it was')
})

t.test('count open clocks as met', async t => {
  const { summary } = await asked()
  has(t, await summary('09:30:00'), { met: 0, breached: 0, open: 1 }, 'not due yet: in neither')
  has(t, await summary('10:30:00'), { met: 0, breached: 1, open: 0, open_overdue: 1 }, 'overdue, and nobody ticked')
})

t.test('let a bot answer', async t => {
  const { answer, clock, inbox } = await asked()
  await answer('09:10:00', { author: { type: 'api_key', id: randomUUID() } })
  has(t, await clock(), { state: 'running' })
  t.equal((await inbox.everything('waits')).filter(({ closed_at }) => closed_at === null).length, 1)
})

t.test('edit the policy after the fact', async t => {
  const { inbox, policy, clock, tick, summary } = await asked()
  await tick('10:00:01')
  const edit = { targets: { first_response: { seconds: 36_000 } } }
  await inbox.run(trx => changePolicy(trx, policy.id, edit, 1, inbox.agent, at('10:05:00')))
  has(t, await clock(), { target_seconds: 3600, due_at: at('10:00:00'), breached_at: at('10:00:00') })
  has(t, await summary('11:00:00'), { breached: 1 })
})

t.test('relabel to get more time, and back', async t => {
  const { inbox, policy, id } = await asked()
  const lenient = {
    ...{ name: 'Lenient', position: 1, enabled: true, calendar_id: policy.calendar_id, enforce_from: new Date(0) },
    conditions: { tag: ['later'] },
    targets: { first_response: { seconds: 7200 } },
  }
  await inbox.run(trx => createPolicy(trx, lenient, inbox.agent, CONNECTED))
  await inbox.run(trx => tagConversation(trx, id, 'later', inbox.agent, at('09:50:00')))
  await inbox.run(trx => untagConversation(trx, id, 'later', inbox.agent, at('09:55:00')))
  const clocks = await inbox.everything('sla_clocks')
  const going = clocks.filter(({ state }) => state === 'running')
  t.equal(going.length, 1)
  has(t, going[0], { started_at: at('09:00:00'), due_at: at('10:00:00') })
  t.equal(clocks.filter(({ cancelled_reason }) => cancelled_reason === 'policy_removed').length, 2, 'and it shows')
})

t.test('send and delete a reply', async t => {
  const { inbox, channel, answer, clock } = await asked()
  await answer('09:10:00')
  const reply = async () => (await inbox.everything('messages')).find(({ direction }) => direction === 'outbound')!
  const { id, external_id } = await reply()
  await inbox.deliver(channel, [deletion(external_id!, '09:11:00')], at('09:11:00'))
  has(t, await clock(), { state: 'fulfilled', fulfilled_at: at('09:10:00'), fulfilled_by_message_id: id })
  t.ok((await reply()).deleted_at, 'and whoever looks sees that it is gone')
})

t.test('mass-dismiss before the deadline', async t => {
  const { inbox, id, summary, clock } = await asked()
  const { id: message_id } = await inbox.only('messages')
  const dismissal = { reason: 'Too many', as: 'no_reply_needed' as const }
  await inbox.run(trx =>
    dismissMessage(trx, { conversation_id: id, message_id }, dismissal, inbox.agent, at('09:59:00')),
  )
  has(t, await clock(), { state: 'cancelled', cancelled_reason: 'dismissed' })
  has(t, await summary('11:00:00'), { met: 0, breached: 0, cancelled: 1 }, 'counted by itself, and never as met')
})

t.test('dismiss, pause or take for spam what is late already, before a tick has seen it', async t => {
  const dismissed = await asked()
  const { id: message_id } = await dismissed.inbox.only('messages')
  const ids = { conversation_id: dismissed.id, message_id }
  const dismissal = { reason: 'Too late', as: 'no_reply_needed' as const }
  await dismissed.inbox.run(trx => dismissMessage(trx, ids, dismissal, dismissed.inbox.agent, at('10:00:01')))
  has(t, await dismissed.clock(), { state: 'cancelled', breached_at: at('10:00:00'), detected_at: at('10:00:01') })
  has(t, await dismissed.summary('11:00:00'), { breached: 1, cancelled: 0 }, 'a breach stays one')

  const paused = await asked({ resolution: { seconds: 3600 } })
  await paused.change({ status: 'pending' }, '10:00:01')
  has(t, await paused.clock(), { state: 'paused', breached_at: at('10:00:00') })
  has(t, await paused.summary('11:00:00', 'resolution'), { breached: 1, open_overdue: 1, open: 0 })

  const spam = await asked({ resolution: { seconds: 3600 } })
  await spam.change({ status: 'spam' }, '10:00:01')
  has(t, await spam.clock(), { state: 'cancelled', breached_at: at('10:00:00') })
})

t.test('reassign what is late already, before a tick has seen it', async t => {
  const { inbox, id, clock } = await asked()
  const other = randomUUID()
  await inbox.run(trx => insertUser(trx, { id: other, name: 'Other', role: 'agent', created_at: CONNECTED }))
  const give = (from: string | null, to: string, time: string) =>
    inbox.run(trx => assignConversation(trx, id, { from, to }, inbox.agent, at(time)))
  await give(null, inbox.agent.id, '09:10:00')
  await give(inbox.agent.id, other, '10:00:01')
  has(t, await clock(), { owner_id: inbox.agent.id, breached_at: at('10:00:00') }, 'it was whose it was')
})

t.test('answer in a colleague’s name', async t => {
  const { inbox, id, clock, answer } = await asked()
  const colleague = randomUUID()
  await inbox.run(trx => insertUser(trx, { id: colleague, name: 'Ben', role: 'agent', created_at: CONNECTED }))
  const owners = { from: null, to: inbox.agent.id }
  await inbox.run(trx => assignConversation(trx, id, owners, inbox.agent, at('09:05:00')))
  await answer('09:10:00', { author: { type: 'user', id: colleague } })
  const reply = (await inbox.everything('messages')).find(({ direction }) => direction === 'outbound')!
  t.equal(reply.author_id, colleague, 'whoever wrote it stands on it')
  has(t, await clock(), { owner_id: inbox.agent.id, fulfilled_by_message_id: reply.id }, 'beside whose it was')
})

t.test('snooze to free capacity', async t => {
  const { inbox, id, change } = await asked()
  const owners = { from: null, to: inbox.agent.id }
  await inbox.run(trx => assignConversation(trx, id, owners, inbox.agent, at('09:05:00')))
  const load = async () => (await inbox.run(trx => lockCandidates(trx, inbox.inbox_id)))[0]!.load
  t.equal(await load(), 1)
  await change({ status: 'snoozed', snoozed_until: at('18:00:00') }, '09:10:00')
  t.equal(await load(), 1, 'what sleeps is still theirs')
})

t.test('relabel to dodge a survey', async t => {
  const { inbox, id, clock, change, summary } = await asked()
  await inbox.run(trx => tagConversation(trx, id, 'internal', inbox.agent, at('09:50:00')))
  await change({ priority: 'low' }, '09:55:00')
  has(t, await clock(), { state: 'running', due_at: at('10:00:00') })
  has(t, await summary('10:00:01'), { breached: 1 }, 'no label takes it out of what is counted')
})

t.test('delete the conversation', async t => {
  const { inbox, tick } = await asked()
  await tick('10:00:01')
  for (const table of [
    'conversations',
    'waits',
    'sla_clocks',
    'sla_policies',
    'sla_policy_versions',
    'calendar_versions',
  ])
    await t.rejects(
      inbox.run(trx => sql`delete from ${sql.table(table)}`.execute(trx)),
      { code: '42501' },
      table,
    )
  t.equal((await inbox.everything('sla_clocks')).length, 1)
})
