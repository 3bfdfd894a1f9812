import { randomUUID } from 'node:crypto'
import {
  addInboxMember,
  assignConversation,
  breachClocks,
  notifyPeople,
  readNotifications,
  warnClocks,
} from '@parley/core'
import { type EventRow, insertTeam, insertTeamMember, insertUser, updateConversation } from '@parley/db'
import t from 'tap'
import { at, CONNECTED, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const FIRST = { first_response: { seconds: 3600, warn_before_seconds: [1800, 600] } }

async function promised() {
  const inbox = await openInbox()
  await inbox.promise({ first: null, next: null, targets: FIRST })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const { id } = await inbox.only('conversations')
  const add = async (role: 'agent' | 'lead' | 'admin') => {
    const person = { type: 'user' as const, id: randomUUID() }
    await inbox.run(trx => insertUser(trx, { id: person.id, name: role, role, created_at: CONNECTED }))
    return person
  }
  const join = (user_id: string) =>
    inbox.run(trx => addInboxMember(trx, inbox.inbox_id, { user_id }, inbox.agent, CONNECTED))
  const assign = (from: string | null, to: string | null, time: string) =>
    inbox.run(trx => assignConversation(trx, id, { from, to }, inbox.agent, at(time)))
  const warn = (time: string) => inbox.run(trx => warnClocks(trx, at(time), 100))
  const breach = (time: string) => inbox.run(trx => breachClocks(trx, at(time), 100))
  /** Who was told of what, in the order in which it happened. */
  const told = async () => {
    await inbox.run(async trx => {
      const events = await trx.selectFrom('events').selectAll().orderBy('seq').execute()
      await notifyPeople(trx, events as unknown as EventRow[], at('12:00:00'))
    })
    const rows = await inbox.run(trx => trx.selectFrom('notifications').selectAll().orderBy('at').execute())
    return rows.filter(({ kind }) => kind.startsWith('sla_'))
  }
  return { inbox, channel, id, add, join, assign, warn, breach, told }
}

t.test('a promise is told of to who owned the conversation then, and to nobody who had it before or after', async t => {
  const { inbox, add, assign, warn, breach, told } = await promised()
  const [ben, eve] = [await add('agent'), await add('agent')]
  await add('lead')
  await assign(null, ben.id, '09:10:00')
  await warn('09:30:00')
  await assign(ben.id, eve.id, '09:40:00')
  await breach('10:00:01')
  await assign(eve.id, null, '10:30:00')
  const [clock] = await inbox.everything('sla_clocks')
  for (const round of [1, 2]) {
    t.match(
      await told(),
      [
        { user_id: ben.id, kind: 'sla_warned', clock_id: clock!.id, actor_type: 'system', at: at('09:30:00') },
        { user_id: eve.id, kind: 'sla_breached', clock_id: clock!.id, actor_type: 'system', at: at('10:00:01') },
      ],
      `round ${round}`,
    )
    t.equal((await told()).length, 2)
  }
})

t.test(
  'of what nobody owns the leads of its team are told; without any the leads of the inbox, without any administrators',
  async t => {
    const { inbox, id, add, join, breach, told, channel } = await promised()
    const [agent, admin] = [await add('agent'), await add('admin')]
    await join(agent.id)
    await breach('10:00:01')
    const people = async () => (await told()).map(({ user_id }) => user_id)
    t.same(await people(), [admin.id], 'nobody leads here')

    const [near, far, outside] = [await add('lead'), await add('lead'), await add('lead')]
    for (const { id } of [near, far]) await join(id)
    const team_id = randomUUID()
    await inbox.run(async trx => {
      await insertTeam(trx, { id: team_id, name: 'Returns', created_at: CONNECTED })
      for (const person of [near, outside, agent, admin]) await insertTeamMember(trx, team_id, person.id, CONNECTED)
    })
    await inbox.deliver(channel, [message('m-2', '10:10:00', { thread_key: 't-2', author: 'bob' })], at('10:10:01'))
    await breach('11:10:01')
    t.same(new Set(await people()), new Set([admin.id, near.id, far.id]), 'no team has it')

    await inbox.deliver(channel, [message('m-3', '11:20:00', { thread_key: 't-3', author: 'cy' })], at('11:20:01'))
    const third = (await inbox.everything('conversations')).find(
      row => row.waiting_since?.getTime() === +at('11:20:00'),
    )
    t.not(third!.id, id)
    await inbox.run(trx => updateConversation(trx, third!.id, { team_id, updated_at: at('11:21:00') }))
    const before = (await people()).length
    await breach('12:20:01')
    t.same((await people()).slice(before), [near.id], 'who leads elsewhere does not see the inbox')
  },
)

t.test('a thread in which many wait too long is one thing to look at, until it is read', async t => {
  const { inbox, channel, assign, warn, breach, told } = await promised()
  await assign(null, inbox.agent.id, '09:00:10')
  const [ben, sue] = await inbox.run(async trx => {
    const made = [randomUUID(), randomUUID()]
    for (const id of made) await insertUser(trx, { id, name: 'Other', role: 'agent', created_at: CONNECTED })
    return made
  })
  await assign(inbox.agent.id, ben!, '09:00:20')
  const crowd = Array.from({ length: 30 }, (_, n) => message(`c-${n}`, '09:01:00', { author: `person-${n}` }))
  await inbox.deliver(channel, crowd, at('09:01:01'))
  await warn('09:55:00')
  await breach('10:02:00')
  t.same(
    (await told()).map(({ kind, user_id }) => [kind, user_id]),
    [
      ['sla_warned', ben],
      ['sla_breached', ben],
    ],
  )
  const last = (await told()).at(-1)!
  const reader = { type: 'user' as const, id: ben! }
  await inbox.run(trx => readNotifications(trx, ben!, { up_to: last.id }, reader, at('12:10:00')))
  await inbox.deliver(channel, [message('late', '12:20:00', { author: 'late' })], at('12:20:01'))
  await assign(ben!, sue!, '12:30:00')
  await assign(sue!, ben!, '12:40:00')
  await breach('13:20:01')
  t.equal((await told()).filter(({ kind }) => kind === 'sla_breached').length, 2)
})
