import { randomUUID } from 'node:crypto'
import {
  addNote,
  assignConversation,
  changeConversation,
  claimConversation,
  claimNext,
  lapseClaims,
  type Next,
  saveDraft,
  setAvailability,
} from '@parley/core'
import { insertUser, updateInbox } from '@parley/db'
import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, CONNECTED, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** A conversation that nobody owns, in an inbox that lends for a quarter of an hour. */
async function waiting(inbox: Inbox) {
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:01'))
  return (await inbox.only('conversations')).id
}

const claim = (inbox: Inbox, id: string, now: Date) =>
  inbox.run(trx => claimConversation(trx, id, inbox.agent.id, inbox.agent, now))
const lapse = (inbox: Inbox, now: Date) => inbox.run(trx => lapseClaims(trx, now, 100))

t.test('a claim lapses at its time, not a moment before, and the conversation is back in the queue', async t => {
  const inbox = await openInbox()
  const id = await waiting(inbox)
  await claim(inbox, id, at('09:01:00'))
  has(t, await inbox.only('conversations'), { assignee_id: inbox.agent.id, claim_expires_at: at('09:16:00') })
  t.equal(await lapse(inbox, at('09:15:59')), 0)
  t.same(await Promise.all([1, 2, 3].map(() => lapse(inbox, at('09:16:00')))).then(all => all.sort()), [0, 0, 1])
  has(t, await inbox.only('conversations'), { assignee_id: null, claim_expires_at: null })
  const rows = await inbox.run(trx => trx.selectFrom('assignments').selectAll().orderBy('assigned_at').execute())
  t.same(
    rows.map(row => [row.user_id, row.previous_user_id, row.reason]),
    [
      [inbox.agent.id, null, 'claimed'],
      [null, inbox.agent.id, 'claim_lapsed'],
    ],
  )
})

t.test("its owner's work makes a claim last, whatever it is, and other people's does not", async t => {
  const content = { body: 'Hello', visibility: null, in_reply_to: null, attachment_ids: [] }
  type Work = (inbox: Inbox, id: string, now: Date) => Promise<unknown>
  const works: Record<string, Work> = {
    'a reply': (inbox, id, now) => inbox.reply(id, now),
    'a note': ({ run, agent: by }, conversation_id, now) =>
      run(trx => addNote(trx, { conversation_id, author: by, body: 'Hm' }, now)),
    'a draft': ({ run, agent }, id, now) => run(trx => saveDraft(trx, id, content, undefined, agent, now)),
    'another claim': claim,
    'a change': async ({ run, agent, only }, id, now) => {
      const { version } = await only('conversations')
      await run(trx => changeConversation(trx, id, { priority: 'high' }, version, agent, now))
    },
  }
  for (const [what, work] of Object.entries(works)) {
    const inbox = await openInbox()
    const id = await waiting(inbox)
    await claim(inbox, id, at('09:01:00'))
    await work(inbox, id, at('09:02:00'))
    has(t, await inbox.only('conversations'), { claim_expires_at: at('09:16:00') }, `${what}: too early to be written`)
    const other = await openInbox()
    const theirs = await waiting(other)
    await claim(other, theirs, at('09:01:00'))
    const draft = { conversation_id: theirs, author: { type: 'user' as const, id: randomUUID() }, body: 'Hm' }
    await other.run(trx => addNote(trx, draft, at('09:10:00')))
    has(t, await other.only('conversations'), { claim_expires_at: at('09:16:00') })
  }
  for (const [what, work] of Object.entries(works)) {
    const inbox = await openInbox()
    const id = await waiting(inbox)
    await claim(inbox, id, at('09:01:00'))
    await work(inbox, id, at('09:15:00'))
    has(t, await inbox.only('conversations'), { claim_expires_at: at('09:30:00') }, what)
  }
})

t.test(
  'a claim counts the open time of its inbox: over a night, and over the hour that a change of clocks takes',
  async t => {
    const nine = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' }))
    for (const [claimed, lapses] of [
      ['2026-03-02T16:55:00Z', '2026-03-03T09:10:00Z'],
      // The Sunday on which London puts its clocks forward.
      ['2026-03-28T16:55:00Z', '2026-03-29T08:10:00Z'],
    ] as const) {
      const inbox = await openInbox()
      await inbox.promise({ weekly: nine, time_zone: 'Europe/London' })
      const id = await waiting(inbox)
      await claim(inbox, id, new Date(claimed))
      has(t, await inbox.only('conversations'), { claim_expires_at: new Date(lapses) })
    }
  },
)

t.test('what is assigned, or is not open, does not lapse; nor does a claim where claims do not', async t => {
  const inbox = await openInbox()
  const id = await waiting(inbox)
  const owners = { from: null, to: inbox.agent.id }
  await inbox.run(trx => assignConversation(trx, id, owners, inbox.agent, at('09:01:00')))
  has(t, await inbox.only('conversations'), { claim_expires_at: null })

  const other = await openInbox()
  const theirs = await waiting(other)
  await claim(other, theirs, at('09:01:00'))
  const { version } = await other.only('conversations')
  await other.run(trx => changeConversation(trx, theirs, { status: 'pending' }, version, other.agent, at('09:02:00')))
  t.equal(await lapse(other, at('12:00:00')), 0)
  has(t, await other.only('conversations'), { assignee_id: other.agent.id })

  const kept = await openInbox()
  await kept.run(trx => updateInbox(trx, kept.inbox_id, { claim_lease_seconds: null }))
  await claim(kept, await waiting(kept), at('09:01:00'))
  has(t, await kept.only('conversations'), { assignee_id: kept.agent.id, claim_expires_at: null })
})

t.test(
  'of a claim that lapses while its owner writes, either the work or the lapse comes first, and the reply goes out',
  async t => {
    for (let round = 0; round < 5; round += 1) {
      const inbox = await openInbox()
      const id = await waiting(inbox)
      await claim(inbox, id, at('09:01:00'))
      const now = at('09:16:00')
      const [queued, lapsed] = await Promise.all([inbox.reply(id, now), lapse(inbox, now)])
      t.equal(queued.state, 'queued')
      const kept = { assignee_id: inbox.agent.id, claim_expires_at: at('09:31:00') }
      has(t, await inbox.only('conversations'), lapsed === 0 ? kept : { assignee_id: null })
    }
  },
)

/** So many conversations in an inbox, from the one that waits longest on, and people beside the agent who work there. */
async function queue(count: number, people: number) {
  const inbox = await openInbox()
  const said = Array.from({ length: count }, (_, n) => message(`m-${n}`, `09:00:0${n}`, { thread_key: `t-${n}` }))
  await inbox.deliver(await inbox.addChannel(), said, at('09:01:00'))
  const ids = Array.from({ length: people }, () => randomUUID())
  for (const id of ids)
    await inbox.run(trx => insertUser(trx, { id, name: 'Agent', role: 'agent', created_at: CONNECTED }))
  const rows = (await inbox.everything('conversations')).sort((a, b) => +a.waiting_since! - +b.waiting_since!)
  const claimants = ids.map(user_id => ({ user_id, actor: { type: 'user' as const, id: user_id } }))
  return { inbox, waiting: rows.map(({ id }) => id), claimants }
}
const gotten = (next: Next) => (typeof next === 'string' ? next : next.id)

t.test(
  'of those who ask together, each gets the next, the first the most urgent, and who has no place there nothing',
  async t => {
    const { inbox, waiting, claimants } = await queue(3, 3)
    const stranger = { user_id: randomUUID(), actor: inbox.agent }
    const asking = [claimants[0]!, stranger, claimants[1]!, claimants[2]!]
    const next = await inbox.run(trx => claimNext(trx, inbox.inbox_id, asking, at('09:05:00')))
    t.same(next.map(gotten), [waiting[0], 'not_here', waiting[1], waiting[2]])
    const rows = await inbox.everything('conversations')
    t.same(
      waiting.map(id => rows.find(row => row.id === id)!.assignee_id),
      claimants.map(({ user_id }) => user_id),
    )
    t.same((await inbox.log()).filter(type => type === 'conversation.assigned').length, 3)
    t.same(await inbox.run(trx => claimNext(trx, inbox.inbox_id, claimants, at('09:06:00'))), [
      ...['nothing_waits', 'nothing_waits', 'nothing_waits'],
    ])
  },
)

t.test(
  'who asks together while others take the rest is asked to come again, and not told that nothing waits',
  async t => {
    const { inbox, waiting, claimants } = await queue(3, 3)
    const [one, two, three] = claimants
    await inbox.run(async trx => {
      t.same((await claimNext(trx, inbox.inbox_id, [one!], at('09:05:00'))).map(gotten), [waiting[0]])
      // Their transaction is not over yet.
      const rest = await inbox.run(other => claimNext(other, inbox.inbox_id, [two!, three!, one!], at('09:05:00')))
      t.same(rest.map(gotten), [waiting[1], waiting[2], 'again'])
    })
  },
)

type Step = { at: number; what: 'claim' | 'next' | 'assign' | 'lapse' | 'leave'; person: number; conversation: number }
const steps = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 20 }),
    what: fc.constantFrom<Step['what']>('claim', 'next', 'assign', 'lapse', 'leave'),
    person: fc.integer({ min: 0, max: 2 }),
    conversation: fc.integer({ min: 0, max: 2 }),
  }),
  { minLength: 3, maxLength: 25 },
)

t.test(
  'whoever takes, gives and loses at once, the history of owners is what the log says, change by change',
  async t => {
    await fc.assert(
      fc.asyncProperty(steps, async all => {
        const inbox = await openInbox()
        const people = [inbox.agent.id, randomUUID(), randomUUID()]
        for (const id of people.slice(1))
          await inbox.run(trx => insertUser(trx, { id, name: 'Agent', role: 'agent', created_at: CONNECTED }))
        const threads = ['a', 'b', 'c'].map(key => message(key, '09:00:00', { thread_key: key }))
        await inbox.deliver(await inbox.addChannel(), threads, at('09:00:01'))
        const ids = (await inbox.everything('conversations')).map(row => row.id)
        const take = async (step: Step) => {
          const now = new Date(at('09:05:00').getTime() + step.at * 60_000)
          const [user_id, id] = [people[step.person]!, ids[step.conversation]!]
          const actor = { type: 'user' as const, id: user_id }
          await inbox.run(async trx => {
            if (step.what === 'claim') await claimConversation(trx, id, user_id, actor, now)
            if (step.what === 'next') await claimNext(trx, inbox.inbox_id, [{ user_id, actor }], now)
            if (step.what === 'assign') await assignConversation(trx, id, { from: null, to: user_id }, actor, now)
            if (step.what === 'lapse') await lapseClaims(trx, now, 100)
            const out = { availability: 'out_of_office' as const, until: null }
            if (step.what === 'leave') await setAvailability(trx, user_id, out, actor, now)
          })
        }
        const refused = (error: { code?: string }) => {
          if (error.code !== 'already_assigned') throw error
        }
        // Four at once, each waiting for nobody but the database.
        const left = [...all]
        const worker = async () => {
          for (let step = left.shift(); step; step = left.shift()) await take(step).catch(refused)
        }
        await Promise.all([1, 2, 3, 4].map(worker))
        for (const { id, assignee_id } of await inbox.everything('conversations')) {
          const [history, events] = await inbox.run(trx =>
            Promise.all([
              trx.selectFrom('assignments').selectAll().where('conversation_id', '=', id).execute(),
              trx
                .selectFrom('events')
                .selectAll()
                .where('conversation_id', '=', id)
                .where('type', 'in', ['conversation.assigned', 'conversation.unassigned'])
                // As its lock was held: a transaction may have begun to write elsewhere before it waited for that.
                .orderBy('seq')
                .execute(),
            ]),
          )
          let owner: string | null = null
          const changes: string[] = []
          for (const { data, previous } of events as unknown as Record<
            'data' | 'previous',
            { assignee_id: string | null; reason: string }
          >[]) {
            if (previous.assignee_id !== owner) return false
            owner = data.assignee_id
            changes.push(`${previous.assignee_id} ${owner} ${data.reason}`)
          }
          const kept = history.map(row => `${row.previous_user_id} ${row.user_id} ${row.reason}`)
          if (owner !== assignee_id || kept.sort().join() !== changes.sort().join()) return false
        }
        return true
      }),
      { numRuns: 25 },
    )
    t.pass()
  },
)
