import { randomUUID } from 'node:crypto'
import {
  assignConversation,
  changeConversation,
  changeInbox,
  createTag,
  setAvailability,
  tagConversation,
} from '@parley/core'
import { insertInboxMember, insertUser, listAssignments, listFeedStates, type updateUser } from '@parley/db'
import { type Actor, MANUAL, type Routing, SYSTEM } from '@parley/domain'
import { has, until } from '@parley/testing'
import t, { type Test } from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { routeWaiting } from '../src/processors/routing.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

/** An inbox with these people in it, whose conversations find an owner by themselves. */
async function openDesk(t: Test, routing: Partial<Routing>, people: Record<string, Parameters<typeof updateUser>[2]>) {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  const ids = Object.fromEntries(Object.keys(people).map(name => [name, randomUUID()]))
  await worker.run(async trx => {
    for (const [name, fields] of Object.entries(people)) {
      await insertUser(trx, { id: ids[name]!, name, role: 'agent', created_at: at('08:00:00'), ...fields })
      await insertInboxMember(trx, channel.inbox_id, { user_id: ids[name]! }, at('08:00:00'))
    }
    // Administrators see every inbox: the one who set this up is away.
    await trx.updateTable('users').set({ availability: 'away' }).where('role', '=', 'admin').execute()
    const change = { open_to_all: false, routing: { ...MANUAL, ...routing } }
    await changeInbox(trx, channel.inbox_id, change, SYSTEM, at('08:00:00'))
  })
  const names = new Map<string, string>(Object.entries(ids).map(([name, id]) => [id, name]))
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  let threads = 0
  /** As many conversations, each of a customer of its own unless said otherwise. Their ids. */
  const write = async (count: number, author?: string) => {
    const keys = Array.from({ length: count }, (_, index) => `t-${threads + index}`)
    threads += count
    const by = (key: string) => ({ external_id: author ?? key, handle: key, display_name: null, avatar_url: null })
    await worker.accept(channel, keys.map(key => comment(`m-${key}`, { thread_key: key, author: by(key) })) as never)
    await drain(worker.ctx, job)
    const rows = await worker.run(trx => trx.selectFrom('conversations').selectAll().orderBy('number').execute())
    return keys.map(key => rows.find(row => row.thread_key === key)!.id)
  }
  const owners = async (...of: string[]) => {
    const rows = await worker.run(trx => trx.selectFrom('conversations').selectAll().orderBy('number').execute())
    const wanted = of.length > 0 ? of.map(id => rows.find(row => row.id === id)!) : rows
    return wanted.map(({ assignee_id }) => assignee_id && names.get(assignee_id))
  }
  return { ...worker, channel, ids, write, owners, route: routeWaiting(worker.ctx) }
}

const by = (id: string): Actor => ({ type: 'user', id })
const sorted = (found: (string | null | undefined)[]) => [...found].sort()

t.test('a conversation that comes is given to somebody by the consumer of the log', async t => {
  const desk = await openDesk(t, { mode: 'round_robin' }, { Ana: {} })
  const feeds = new Feeds(
    desk.ctx,
    FEED_CONSUMERS.filter(({ name }) => name === 'routing'),
  )
  t.teardown(() => feeds.close())
  const read = (what: string, done: () => Promise<boolean>) =>
    until(what, async () => {
      await feeds.sweep()
      await feeds.tick()
      return done()
    })
  await read('the consumer has begun', async () => (await desk.run(listFeedStates)).length > 0)
  await desk.write(1)
  await read('it was given', async () => (await desk.owners())[0] === 'Ana')
  const assignments = await desk.run(trx => trx.selectFrom('assignments').selectAll().execute())
  t.equal(assignments.length, 1)
})

t.test('everybody has their turn, however many workers give', async t => {
  const desk = await openDesk(t, { mode: 'round_robin' }, { Ana: {}, Ben: {}, Cleo: {} })
  for (let round = 0; round < 3; round += 1) {
    await desk.write(3)
    await Promise.all([desk.route(), desk.route(), desk.route()])
    await desk.route()
  }
  const given = sorted(await desk.owners())
  t.same(given, ['Ana', 'Ana', 'Ana', 'Ben', 'Ben', 'Ben', 'Cleo', 'Cleo', 'Cleo'])
  const rows = await desk.run(trx => trx.selectFrom('assignments').selectAll().execute())
  t.equal(rows.length, 9, 'each once')
})

t.test(
  'nobody is given more than their capacity, in which what sleeps counts; what is left waits for room',
  async t => {
    const desk = await openDesk(t, { mode: 'least_loaded' }, { Ana: { capacity: 2 } })
    const all = await desk.write(3)
    await desk.route()
    const given = await desk.owners(...all)
    t.same(sorted(given), ['Ana', 'Ana', null])
    const [first, third] = [all[given.indexOf('Ana')], all[given.indexOf(null)]]
    const change = (status: 'snoozed' | 'resolved', version: number) =>
      desk.run(trx => {
        const until = status === 'snoozed' ? { snoozed_until: at('18:00:00') } : {}
        return changeConversation(trx, first!, { status, ...until }, version, by(desk.ids.Ana!), at('09:10:00'))
      })
    const { version } = await change('snoozed', 2)
    await desk.route()
    t.same(await desk.owners(third!), [null])
    await change('resolved', version)
    await desk.route()
    t.same(await desk.owners(third!), ['Ana'])
  },
)

t.test('who is away or out of office gets nothing, and gets it when they are back', async t => {
  const gone = { availability: 'out_of_office' as const, out_of_office_until: at('12:00:00') }
  const desk = await openDesk(t, { mode: 'round_robin' }, { Ana: { availability: 'away' }, Ben: gone })
  await desk.write(1)
  await desk.route()
  t.same(await desk.owners(), [null])
  const back = { availability: 'available' as const, until: null }
  await desk.run(trx => setAvailability(trx, desk.ids.Ana!, back, by(desk.ids.Ana!), at('09:30:00')))
  await desk.route()
  t.same(await desk.owners(), ['Ana'])
  await desk.write(1)
  desk.clock.now = at('12:00:00')
  await desk.route()
  t.same(sorted(await desk.owners()), ['Ana', 'Ben'], 'and so does who said until when')
})

t.test('a tag that asks for a skill leads to somebody who has it, or waits', async t => {
  const routing = { mode: 'least_loaded' as const, match_skills: true, tag_skills: { Refund: 'money' } }
  const desk = await openDesk(t, routing, { Ana: {}, Ben: { skills: ['Money'], capacity: 1 } })
  const [first, second] = await desk.write(2)
  await desk.run(async trx => {
    const tag = await createTag(trx, { name: 'refund', color: null }, SYSTEM, at('09:00:00'))
    for (const id of [first!, second!]) await tagConversation(trx, id, tag.name, SYSTEM as never, at('09:00:00'))
  })
  await desk.route()
  t.same(sorted(await desk.owners(first!, second!)), ['Ben', null])
  const [third] = await desk.write(1)
  await desk.route()
  t.same(await desk.owners(third!), ['Ana'])
})

t.test('the language decides while somebody speaks it; while it is not known, triage is given a moment', async t => {
  const routing = { mode: 'least_loaded' as const, match_language: true }
  const desk = await openDesk(t, routing, { Ana: { languages: ['pt'] }, Ben: { languages: ['en'] } })
  const [first, second] = await desk.write(2)
  await desk.route()
  t.same(await desk.owners(), [null, null])
  const speak = (id: string, language: string) =>
    desk.run(trx =>
      trx.updateTable('conversations').set({ language, language_source: 'detected' }).where('id', '=', id).execute(),
    )
  await speak(first!, 'pt-BR')
  await desk.route()
  t.same(await desk.owners(first!, second!), ['Ana', null])
  desk.clock.now = new Date(desk.clock.now.getTime() + 5_000)
  await desk.route()
  t.same(await desk.owners(second!), ['Ben'], 'without it, whoever has less')
  const [third] = await desk.write(1)
  await speak(third!, 'ja')
  await desk.route()
  t.ok((await desk.owners(third!))[0], 'what nobody speaks goes to anybody')
})

t.test('a decision is kept with everybody who was considered', async t => {
  const desk = await openDesk(t, { mode: 'least_loaded' }, { Ana: {}, Ben: {}, Cleo: { availability: 'away' } })
  const [first] = await desk.write(1)
  const owners = { from: null, to: desk.ids.Ben! }
  await desk.run(trx => assignConversation(trx, first!, owners, SYSTEM, at('09:00:00')))
  const [second] = await desk.write(1)
  await desk.route()
  const [row] = await desk.run(trx => listAssignments(trx, second!, { limit: 10 }))
  has(t, row, { user_id: desk.ids.Ana, reason: 'auto', actor_type: 'system', rule: 'least_loaded' })
  const considered = Object.fromEntries(row!.candidates!.map(({ user_id, ...rest }) => [user_id, rest]))
  has(t, considered[desk.ids.Ana!], { load: 0, excluded: null })
  has(t, considered[desk.ids.Ben!], { load: 1, excluded: null })
  has(t, considered[desk.ids.Cleo!], { load: 0, excluded: 'away' })
})
