import { createCalendar, createPolicy } from '@parley/core'
import { updateInbox } from '@parley/db'
import { type SlaTargets, SYSTEM } from '@parley/domain'
import { at, type OpenWorker } from './processing.ts'

const ALWAYS = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))

/** Lets the inbox of a worker promise these, around the clock. */
export const promise = ({ run, inbox_id }: Pick<OpenWorker, 'run' | 'inbox_id'>, targets: SlaTargets) =>
  run(async trx => {
    const definition = { time_zone: 'UTC', weekly: ALWAYS, holidays: [] }
    const calendar = await createCalendar(trx, { name: 'Always', definition }, SYSTEM, at('08:00:00'))
    const draft = { name: 'Promise', position: 100, enabled: true, calendar_id: calendar.id, conditions: null, targets }
    const { id } = await createPolicy(trx, draft, SYSTEM, at('08:00:00'))
    await updateInbox(trx, inbox_id, { sla_policy_id: id })
  })
