import { randomUUID } from 'node:crypto'
import {
  addInboxMember,
  addNote,
  assignConversation,
  changeConversation,
  changeTask,
  changeUser,
  createTask,
  notifyPeople,
  readNotifications,
  removeInboxMember,
  tellDueTasks,
  unwatchConversation,
  watchConversation,
} from '@parley/core'
import {
  countUnread,
  type EventRow,
  insertUser,
  listConversations,
  listCustomersIn,
  listNotifications,
  listStaffIn,
  listWatchers,
} from '@parley/db'
import fc from 'fast-check'
import t from 'tap'
import { at, author, CONNECTED, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

const addPerson = async (inbox: Inbox, name = 'Colleague') => {
  const id = randomUUID()
  await inbox.run(trx => insertUser(trx, { id, name, role: 'agent', created_at: CONNECTED }))
  return { type: 'user' as const, id }
}

async function withConversation() {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const { id } = await inbox.only('conversations')
  /** Everything in the log, in its order. */
  const events = () =>
    inbox.run(
      async trx => (await trx.selectFrom('events').selectAll().orderBy('seq').execute()) as unknown as EventRow[],
    )
  let seconds = 0
  const notify = async (some?: EventRow[]) => {
    const given = some ?? (await events())
    seconds += 1
    await inbox.run(trx => notifyPeople(trx, given, new Date(at('12:00:00').getTime() + seconds * 1000)))
  }
  const told = (user_id: string) =>
    inbox.run(async trx => {
      const reader = { user_id, inbox_ids: null }
      return (await listNotifications(trx, reader, { unread: false, limit: 100 })).map(({ kind }) => kind).reverse()
    })
  const close = (person: Inbox['agent']) => addMember(inbox, person)
  return { inbox, channel, id, events, notify, told, close }
}

const addMember = (inbox: Inbox, person: { id: string }) =>
  inbox.run(trx => addInboxMember(trx, inbox.inbox_id, { user_id: person.id }, inbox.agent, at('08:00:00')))

const note = (inbox: Inbox, id: string, user_ids: string[], team_ids: string[] = []) =>
  inbox.run(trx =>
    addNote(
      trx,
      { conversation_id: id, author: inbox.agent, body: 'Look', mentions: { user_ids, team_ids } },
      at('10:00:00'),
    ),
  )

t.test('who is mentioned is told of it once, watches from then on, and is told what customers write', async t => {
  const { inbox, channel, id, events, notify, told } = await withConversation()
  const ben = await addPerson(inbox)
  const { mentions } = await note(inbox, id, [ben.id, ben.id])
  t.same(mentions, [{ user_id: ben.id, team_id: null }])
  await notify()
  t.same(await told(ben.id), ['mentioned'], 'what was written before they watched is not told')
  await inbox.deliver(channel, [message('m-2', '10:30:00'), message('m-3', '10:31:00')], at('10:31:01'))
  await notify()
  await notify()
  t.same(await told(ben.id), ['mentioned', 'customer_message'], 'once until they have read it')
  const [latest] = await inbox.run(trx =>
    listNotifications(trx, { user_id: ben.id, inbox_ids: null }, { unread: true, limit: 1 }),
  )
  await inbox.run(trx => readNotifications(trx, ben.id, { up_to: latest!.id }, ben, at('11:00:00')))
  t.same(await inbox.run(trx => countUnread(trx, { user_id: ben.id, inbox_ids: null })), { count: 0, at_least: false })
  await inbox.deliver(channel, [message('m-4', '11:30:00')], at('11:30:01'))
  await notify((await events()).filter(({ type }) => type === 'message.received').slice(-1))
  t.same(await told(ben.id), ['mentioned', 'customer_message', 'customer_message'])
  const listed = await inbox.run(trx => listConversations(trx, { watched_by: ben.id }, { sort: 'newest', limit: 10 }))
  t.same(
    listed.map(row => row.id),
    [id],
  )
  t.same(
    await inbox.run(trx => listConversations(trx, { mentioned: inbox.agent.id }, { sort: 'newest', limit: 1 })),
    [],
  )
})

t.test('whoever does not see the inbox cannot be mentioned, and is named', async t => {
  const { inbox, id, close } = await withConversation()
  const [ben, eve] = [await addPerson(inbox), await addPerson(inbox)]
  await close(ben)
  await t.rejects(note(inbox, id, [ben.id, eve.id]), {
    code: 'validation_failed',
    details: { user_ids: [eve.id] },
  })
  const team = randomUUID()
  await t.rejects(note(inbox, id, [], [team]), { code: 'validation_failed', details: { team_ids: [team] } })
  t.equal((await inbox.everything('messages')).length, 1)
})

t.test('nobody is told of their own acts; owners are told by others, and watch when they own no more', async t => {
  const { inbox, id, notify, told } = await withConversation()
  const ben = await addPerson(inbox)
  await inbox.run(trx => assignConversation(trx, id, { from: null, to: inbox.agent.id }, inbox.agent, at('09:10:00')))
  await inbox.run(trx => assignConversation(trx, id, { from: inbox.agent.id, to: ben.id }, inbox.agent, at('09:20:00')))
  await inbox.run(async trx => {
    const { version } = await assignConversation(trx, id, { from: ben.id, to: null }, inbox.agent, at('09:30:00'))
    await changeConversation(trx, id, { status: 'resolved' }, version, ben, at('09:40:00'))
  })
  await notify()
  t.same(await told(ben.id), ['assigned', 'unassigned'])
  t.same(await told(inbox.agent.id), ['resolved'])
  const watchers = await inbox.run(trx => listWatchers(trx, id))
  t.same(
    watchers.map(({ user_id, reason }) => [user_id, reason]).sort(),
    [
      [inbox.agent.id, 'owned'],
      [ben.id, 'owned'],
    ].sort(),
  )
})

t.test('whoever loses sight of the inbox is told nothing more and is no watcher to others', async t => {
  const { inbox, channel, id, notify, told, close } = await withConversation()
  const [ben, eve] = [await addPerson(inbox), await addPerson(inbox)]
  await close(ben)
  await close(eve)
  for (const person of [ben, eve]) {
    await inbox.run(trx => watchConversation(trx, id, person.id, person, at('09:10:00')))
  }
  await inbox.run(trx => removeInboxMember(trx, inbox.inbox_id, { user_id: ben.id }, eve, at('09:20:00')))
  await inbox.deliver(channel, [message('m-2', '10:00:00')], at('10:00:01'))
  await notify()
  t.same([await told(ben.id), await told(eve.id)], [[], ['customer_message']])
  t.same(
    (await inbox.run(trx => listWatchers(trx, id))).map(({ user_id }) => user_id),
    [eve.id],
  )
  await t.rejects(
    inbox.run(trx => watchConversation(trx, id, ben.id, ben, at('10:10:00'))),
    { code: 'not_found' },
  )
  await inbox.run(trx => unwatchConversation(trx, id, eve.id, eve, at('10:11:00')))
  t.same(await inbox.run(trx => listWatchers(trx, id)), [])
})

t.test('a page of events that is handled again tells nobody twice, and one that fails tells nobody', async t => {
  const { inbox, id, events, told } = await withConversation()
  const ben = await addPerson(inbox)
  await note(inbox, id, [ben.id])
  const page = await events()
  const killed = inbox.run(async trx => {
    await notifyPeople(trx, page, at('12:00:00'))
    await trx
      .selectFrom('events')
      .select('no_such_column' as 'id')
      .execute()
  })
  await t.rejects(killed)
  t.same(await told(ben.id), [])
  for (const round of [1, 2]) {
    await inbox.run(trx => notifyPeople(trx, page, at('12:00:00')))
    t.same(await told(ben.id), ['mentioned'], `round ${round}`)
  }
  const created = (await events()).filter(({ type }) => type === 'notification.created')
  t.match(created, [{ conversation_id: null, data: { user_id: ben.id, kind: 'mentioned', conversation_id: id } }])
})

t.test('a task is told of once when it falls due, anew when it is put off, and not when it is done', async t => {
  const { inbox, id, notify, told } = await withConversation()
  const ben = await addPerson(inbox)
  const draft = { conversation_id: id, title: 'Call', note: null, due_at: at('11:00:00'), assignee_id: ben.id }
  const task = await inbox.run(trx => createTask(trx, draft, inbox.agent, at('09:00:00')))
  const tell = (time: string) => inbox.run(trx => tellDueTasks(trx, at(time), 10))
  t.equal(await tell('10:59:59'), 0)
  t.equal(
    (await Promise.all([tell('11:00:00'), tell('11:00:00')])).reduce((a, b) => a + b),
    1,
    'by one of two workers',
  )
  await notify()
  t.same(await told(ben.id), ['task_due'])
  const change = (version: number, fields: object) =>
    inbox.run(trx => changeTask(trx, { id: task.id, inbox_ids: null }, fields, version, ben, at('11:05:00')))
  await change(1, { due_at: at('11:30:00') })
  t.equal(await tell('11:30:00'), 1)
  await change(2, { due_at: at('11:40:00') })
  const done = await change(3, { state: 'done' })
  t.match(done, { state: 'done', done_at: at('11:05:00'), version: 4 })
  t.equal(await tell('12:00:00'), 0)
  await t.rejects(change(1, { title: 'Late' }), { code: 'version_mismatch' })
})

t.test('a task stays, and is nobody’s, when its assignee is disabled', async t => {
  const { inbox, id } = await withConversation()
  const ben = await addPerson(inbox)
  const draft = { conversation_id: id, title: 'Call', note: null, due_at: at('11:00:00'), assignee_id: ben.id }
  await inbox.run(trx => createTask(trx, draft, inbox.agent, at('09:00:00')))
  await inbox.run(trx => changeUser(trx, ben.id, { status: 'disabled' }, inbox.agent, at('09:30:00')))
  t.match(await inbox.run(trx => trx.selectFrom('tasks').selectAll().execute()), [{ assignee_id: null, version: 2 }])
  await t.rejects(
    inbox.run(trx => createTask(trx, draft, inbox.agent, at('09:40:00'))),
    { code: 'validation_failed' },
  )
})

t.test('customers who became one person are one participant, and staff is who replied, noted or owned', async t => {
  const { inbox, channel, id } = await withConversation()
  await inbox.deliver(channel, [message('m-2', '09:30:00', { author: author('bob') })], at('09:30:01'))
  await note(inbox, id, [])
  await inbox.reply(id, at('10:30:00'))
  const contacts = await inbox.everything('contacts')
  const [customers, staff] = await inbox.run(async trx => [await listCustomersIn(trx, id), await listStaffIn(trx, id)])
  t.equal(customers.length, contacts.length)
  t.equal(
    customers.reduce((sum, { messages }) => sum + messages, 0),
    2,
  )
  t.match(staff, [{ user_id: inbox.agent.id, replies: 1, notes: 1, owned: false, owns: false }])
})

t.test('exactly those are told who watch or are mentioned, see the inbox, and did not do it themselves', async t => {
  const people = 4
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(people - 1), { minLength: 1 }),
      fc.subarray([0, 1, 2, 3]),
      fc.subarray([0, 1, 2, 3]),
      fc.nat(people - 1),
      async (members, watching, mentioned, actor) => {
        const { inbox, id, notify, told, close } = await withConversation()
        const all: Inbox['agent'][] = []
        for (let index = 0; index < people; index += 1) all.push(await addPerson(inbox))
        for (const index of watching) {
          await inbox.run(trx => watchConversation(trx, id, all[index]!.id, all[index]!, at('09:05:00')))
        }
        await note(
          inbox,
          id,
          mentioned.map(index => all[index]!.id),
        )
        await inbox.run(trx => changeConversation(trx, id, { status: 'resolved' }, 1, all[actor]!, at('10:10:00')))
        for (const index of members) await close(all[index]!)
        await notify()
        for (let index = 0; index < people; index += 1) {
          const sees = members.includes(index)
          const expected = [
            ...(sees && mentioned.includes(index) ? ['mentioned'] : []),
            ...(sees && (watching.includes(index) || mentioned.includes(index)) && index !== actor ? ['resolved'] : []),
          ]
          t.same((await told(all[index]!.id)).sort(), expected.sort())
        }
      },
    ),
    { numRuns: 20 },
  )
})
