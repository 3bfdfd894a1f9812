import { changeCalendar } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

t.test('an open clock keeps the hours that it began with, and what begins later counts by the new ones', async t => {
  const inbox = await openInbox()
  const { calendar_id } = await inbox.promise({ first: 3600 })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00', { author: 'ana' })], at('09:00:01'))
  // The second of March 2026 is a Monday.
  const definition = { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '12:00', closes: '14:00' }], holidays: [] }
  await inbox.run(trx => changeCalendar(trx, calendar_id, { definition }, 1, inbox.agent, at('09:10:00')))
  has(t, await inbox.only('sla_clocks'), { calendar_version: 1, due_at: at('10:00:00'), state: 'running' })
  await inbox.deliver(channel, [message('n-1', '09:20:00', { author: 'ben' })], at('09:20:01'))
  const [, second] = await inbox.everything('sla_clocks')
  has(t, second, { calendar_version: 2, started_at: at('09:20:00'), due_at: at('13:00:00') })
})
