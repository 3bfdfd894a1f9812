import { randomBytes } from 'node:crypto'
import {
  assignConversation,
  beginSendAttempt,
  breachClocks,
  changeConversation,
  channelContext,
  finishSendAttempt,
  seal,
  unseal,
} from '@parley/core'
import { listWorkspacesWithDueClocks, openDatabase } from '@parley/db'
import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { summaryAt } from './clock-summary.ts'
import { at, type Inbox, message, openInboxes } from './inbox.ts'

const { db, url, openInbox } = await openInboxes(t)

const day = (date: string, time: string) => new Date(`2026-03-${date}T${time}Z`)
const OFFICE = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' }))

const breach = (inbox: Inbox, now: Date, limit = 1000) => inbox.run(trx => breachClocks(trx, now, limit))

t.test('the first wait is for the first response, each later one for the next, both in business hours', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 7200, next: 3600, weekly: OFFICE, time_zone: 'Europe/Berlin' })
  const channel = await inbox.addChannel()
  // Berlin is an hour ahead: 15:30 here is half an hour before the office closes.
  await inbox.deliver(channel, [message('m-1', '15:30:00')], at('15:30:01'))
  has(t, await inbox.only('sla_clocks'), {
    metric: 'first_response',
    started_at: at('15:30:00'),
    due_at: day('03', '09:30:00'),
    target_seconds: 7200,
  })
  const { id } = await inbox.only('conversations')
  await inbox.send(await inbox.reply(id, at('15:40:00')), at('15:41:00'))
  await inbox.deliver(channel, [message('m-2', '20:00:00')], at('20:00:01'))
  has(t, (await inbox.everything('sla_clocks'))[1], {
    metric: 'next_response',
    ordinal: 2,
    started_at: at('20:00:00'),
    due_at: day('03', '09:00:00'),
    state: 'running',
  })
  t.notSame(await inbox.everything('waits'), [], 'both waits are kept')
})

t.test('a metric without a target, and a wait from before the policy counts, have no clock', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: null, next: 600, enforce_from: at('10:00:00') })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:59:59')], at('10:00:01'))
  await inbox.deliver(channel, [message('n-1', '10:30:00', { author: 'ben' })], at('10:30:01'))
  t.same(await inbox.everything('sla_clocks'), [], 'no target for the first response')
  t.equal((await inbox.everything('waits')).length, 2, 'they are measured all the same')

  await inbox.promise({ first: 600, enforce_from: at('11:00:00') })
  await inbox.deliver(channel, [message('o-1', '10:59:59', { author: 'cem' })], at('11:00:01'))
  t.same(await inbox.everything('sla_clocks'), [])
  await inbox.deliver(channel, [message('p-1', '11:00:00', { author: 'dana' })], at('11:00:02'))
  has(t, await inbox.only('sla_clocks'), { started_at: at('11:00:00') })
})

t.test('breached_at = due_at, always, whoever of any number of workers notices, and once', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600 })
  const channel = await inbox.addChannel()
  const questions = Array.from({ length: 60 }, (_, index) =>
    message(`m-${index}`, `09:00:${String(index).padStart(2, '0')}`, { author: `person-${index}` }),
  )
  await inbox.deliver(channel, questions, at('09:01:00'))
  const others = Array.from({ length: 3 }, () => openDatabase({ url, poolSize: 1 }))
  t.teardown(() => Promise.all(others.map(other => other.close())))
  const found = await Promise.all(
    [db, ...others].map(async database => {
      let count = 0
      for (let last = 1; last > 0; count += last) {
        last = await database.inWorkspace(inbox.workspace_id, trx => breachClocks(trx, at('09:10:30'), 7))
      }
      return count
    }),
  )
  t.equal(
    found.reduce((sum, count) => sum + count),
    30,
    'those of the first half minute',
  )
  const clocks = await inbox.everything('sla_clocks')
  const breached = clocks.filter(clock => clock.breached_at)
  t.equal(breached.length, 30)
  for (const clock of breached) {
    has(t, clock, { breached_at: clock.due_at, detected_at: at('09:10:30'), state: 'running' })
  }
  t.equal((await inbox.log()).filter(type => type === 'sla.breached').length, 30)
})

t.test('met is fulfilled_at ≤ due_at, inclusive', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600 })
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:01'))
  const due = at('09:10:00')
  t.equal(await breach(inbox, due), 0)
  t.notOk((await db.asSystem(trx => listWorkspacesWithDueClocks(trx, due))).includes(inbox.workspace_id))
  const after = new Date(due.getTime() + 1)
  t.ok((await db.asSystem(trx => listWorkspacesWithDueClocks(trx, after))).includes(inbox.workspace_id))
  t.equal(await breach(inbox, after), 1)
})

t.test('an answer that the network accepted in time is met, also when we heard of it late', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600 })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const { id } = await inbox.only('conversations')
  const reply = await inbox.reply(id, at('09:09:00'))
  const accepted_at = at('09:09:30')
  const heard = { outcome: 'sent' as const, external_id: 'r-1', accepted_at, permalink: null }
  const attempt = await inbox.run(trx => beginSendAttempt(trx, reply.id, {}, null, at('09:09:29')))
  t.equal(await breach(inbox, at('09:10:01')), 1)
  await inbox.run(trx => finishSendAttempt(trx, attempt!, heard, at('09:10:02')))
  has(t, await inbox.only('sla_clocks'), { state: 'fulfilled', fulfilled_at: accepted_at, breached_at: null })
  const { rows } = await summaryAt(inbox, at('12:00:00'))
  has(t, rows, [{ metric: 'first_response', attainment: 1, met: 1, breached: 0 }])
})

t.test('fulfilled late is both: breached and fulfilled', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600 })
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:01'))
  await breach(inbox, at('09:10:05'))
  const { id } = await inbox.only('conversations')
  await inbox.send(await inbox.reply(id, at('09:11:00')), at('09:12:00'))
  has(t, await inbox.only('sla_clocks'), {
    state: 'fulfilled',
    breached_at: at('09:10:00'),
    detected_at: at('09:10:05'),
    fulfilled_at: at('09:12:00'),
  })
  t.equal((await inbox.log()).filter(type => type === 'sla.breached').length, 1)
})

t.test('reassigning never changes a customer-facing clock; nor does resolving or postponing', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 3600 })
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:01'))
  const [clock, wait] = [await inbox.only('sla_clocks'), await inbox.only('waits')]
  for (const status of ['pending', 'resolved', 'open', 'snoozed', 'resolved'] as const) {
    const { id, version } = await inbox.only('conversations')
    const change = status === 'snoozed' ? { status, snoozed_until: at('18:00:00') } : { status }
    await inbox.run(trx => changeConversation(trx, id, change, version, inbox.agent, at('09:05:00')))
    t.same(await inbox.only('sla_clocks'), clock, status)
    t.same(await inbox.only('waits'), wait, status)
    t.same((await inbox.only('conversations')).waiting_since, at('09:00:00'), `waiting while ${status}`)
  }
  const { id } = await inbox.only('conversations')
  const me = inbox.agent
  const owners = [
    { from: null, to: me.id },
    { from: me.id, to: null },
    { from: null, to: me.id },
  ]
  for (const change of owners) await inbox.run(trx => assignConversation(trx, id, change, me, at('09:06:00')))
  t.same(await inbox.only('sla_clocks'), clock)
  t.equal(await breach(inbox, at('10:00:01')), 1, 'a resolved conversation breaches like any other')
  has(t, await inbox.only('sla_clocks'), { owner_id: me.id })
})

t.test('what is sealed opens with the same key and context, and with nothing else', async t => {
  const key = randomBytes(32)
  const context = channelContext({ workspace_id: 'w', id: 'c' })
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const opened = unseal(key, context, seal(key, context, value))
      return JSON.stringify(opened) === JSON.stringify(value)
    }),
    { numRuns: 50 },
  )
  const sealed = seal(key, context, { password: 'open sesame' })
  t.notOk(sealed.includes('sesame'))
  t.notSame(seal(key, context, 1), seal(key, context, 1), 'a nonce is never used again')
  t.throws(() => unseal(key, channelContext({ workspace_id: 'w', id: 'd' }), sealed))
  t.throws(() => unseal(key, channelContext({ workspace_id: 'v', id: 'c' }), sealed))
  t.throws(() => unseal(randomBytes(32), context, sealed))
  let opened = 0
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const flipped = Buffer.from(sealed)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    try {
      unseal(key, context, flipped)
      opened += 1
    } catch {}
  }
  t.equal(opened, 0, 'any flipped bit is noticed')
  for (let length = 0; length < sealed.length; length += 1) {
    t.throws(() => unseal(key, context, sealed.subarray(0, length)), `cut to ${length} bytes`)
  }
})
