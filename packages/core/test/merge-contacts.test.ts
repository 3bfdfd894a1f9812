import { mergeContacts, unmergeContacts } from '@parley/core'
import { listPersonIds, listSamePerson, type Trx } from '@parley/db'
import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const NOW = at('12:00:00')

/** The contact of an account, as it came. */
const contactOf = (inbox: Inbox, external_id: string): Promise<string> =>
  inbox.run(async trx => {
    const query = trx.selectFrom('contact_identities').select('contact_id').where('external_id', '=', external_id)
    return (await query.executeTakeFirstOrThrow()).contact_id
  })

const merge = (inbox: Inbox, into_id: string, from_id: string, dry_run = false) =>
  inbox.run(trx => mergeContacts(trx, { into_id, from_id, dry_run }, inbox.agent, NOW))
const unmerge = (inbox: Inbox, contact_id: string, merge_id: string) =>
  inbox.run(trx => unmergeContacts(trx, contact_id, merge_id, inbox.agent, NOW))

const TABLES = [
  ...(['contacts', 'contact_identities', 'contact_notes', 'conversations', 'messages', 'waits', 'sla_clocks'] as const),
]

/** All rows that could be about a contact. */
const rows = (inbox: Inbox) =>
  inbox.run(async trx => {
    const all: Record<string, unknown[]> = {}
    for (const table of TABLES) {
      all[table] = await trx
        .selectFrom(table as 'messages')
        .selectAll()
        .orderBy('id')
        .execute()
    }
    return all
  })

/** Who is one person with whom. */
const persons = (inbox: Inbox) =>
  inbox.run(async trx => {
    const contacts = await trx.selectFrom('contacts').select(['id', 'merged_into']).execute()
    const roots = [...new Set(contacts.map(row => row.merged_into ?? row.id))]
    return roots
      .map(root =>
        contacts
          .filter(row => (row.merged_into ?? row.id) === root)
          .map(row => row.id)
          .sort(),
      )
      .sort()
  })

/** The same, from the merges that are not undone. */
function components(ids: string[], links: { into: string; from: string }[]): string[][] {
  let groups = ids.map(id => [id])
  for (const { into, from } of links) {
    const both = groups.filter(group => group.includes(into) || group.includes(from))
    groups = [...groups.filter(group => !both.includes(group)), both.flat()]
  }
  return groups.map(group => group.sort()).sort()
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    error => error.code,
  )

t.test('a merge and its undoing leave every row as it was, however merges are nested', async t => {
  const people = ['ana', 'ben', 'cleo', 'dora']
  const pair = fc.record({ into: fc.nat(3), from: fc.nat(3) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(pair, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat(5)),
      async (pairs, dice) => {
        const inbox = await openInbox()
        await inbox.promise()
        const [one, two] = [await inbox.addChannel({ kind: 'bluesky' }), await inbox.addChannel({ kind: 'bluesky' })]
        await inbox.deliver(
          one,
          people.map(author => message(`1-${author}`, '09:00:00', { author })),
          at('09:00:01'),
        )
        await inbox.deliver(
          two,
          people.map(author => message(`2-${author}`, '09:01:00', { author })),
          at('09:01:01'),
        )
        const ids = await Promise.all(people.map(name => contactOf(inbox, name)))
        const before = await rows(inbox)
        const active: { into: string; from: string; merge_id: string }[] = []
        const check = async () => t.same(await persons(inbox), components(ids, active))
        for (const { into, from } of pairs) {
          const merged = await merge(inbox, ids[into]!, ids[from]!).catch(() => undefined)
          if (merged) active.push({ into: ids[into]!, from: ids[from]!, merge_id: merged.merge_id! })
          await check()
        }
        while (active.length > 0) {
          const [undone] = active.splice(dice.next().value! % active.length, 1)
          await unmerge(inbox, undone!.into, undone!.merge_id)
          await check()
        }
        t.same(await rows(inbox), before)
      },
    ),
    { numRuns: 15 },
  )
})

t.test('what came between a merge and its undoing belongs to whoever wrote it', async t => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('say' as const), who: fc.nat(2), where: fc.nat(2) }),
    fc.record({ kind: fc.constant('merge' as const), who: fc.nat(2), where: fc.nat(2) }),
    fc.record({ kind: fc.constant('unmerge' as const), who: fc.nat(2), where: fc.nat(2) }),
  )
  /** Who wrote and waits where, by the accounts' own ids. */
  const account = (trx: Trx) =>
    trx
      .selectFrom('messages as m')
      .innerJoin('conversations as c', 'c.id', 'm.conversation_id')
      .innerJoin('contact_identities as i', 'i.contact_id', 'm.contact_id')
      .leftJoin('waits as w', join =>
        join.onRef('w.conversation_id', '=', 'c.id').onRef('w.contact_id', '=', 'm.contact_id'),
      )
      .leftJoin('contact_identities as b', 'b.contact_id', 'c.contact_id')
      .select([
        'm.external_id',
        'c.thread_key',
        'i.external_id as who',
        'b.external_id as began',
        'w.opened_at',
        'w.ordinal',
      ])
      .orderBy('m.external_id')
      .execute()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async steps => {
      const people = ['ana', 'ben', 'cleo']
      const [inbox, twin] = [await openInbox(), await openInbox()]
      const channels = [await inbox.addChannel({ kind: 'bluesky' }), await twin.addChannel({ kind: 'bluesky' })]
      const say = async (events: Parameters<typeof inbox.deliver>[1], now: Date) => {
        await inbox.deliver(channels[0]!, events, now)
        await twin.deliver(channels[1]!, events, now)
      }
      await say(
        people.map(author => message(`0-${author}`, '09:00:00', { author, thread_key: author })),
        at('09:00:01'),
      )
      const ids = await Promise.all(people.map(name => contactOf(inbox, name)))
      const active: { into: string; merge_id: string }[] = []
      const undo = async () => {
        const last = active.shift()
        if (last) await unmerge(inbox, last.into, last.merge_id)
      }
      for (const [index, { kind, who, where }] of steps.entries()) {
        const fields = { author: people[who]!, thread_key: people[where]! }
        if (kind === 'say')
          await say([message(`m-${index}`, `09:1${index % 10}:00`, fields)], at(`09:3${index % 10}:00`))
        if (kind === 'unmerge') await undo()
        if (kind !== 'merge') continue
        const merged = await merge(inbox, ids[who]!, ids[where]!).catch(() => undefined)
        if (merged) active.push({ into: ids[who]!, merge_id: merged.merge_id! })
      }
      while (active.length > 0) await undo()
      t.same(await inbox.run(account), await twin.run(account))
    }),
    { numRuns: 15 },
  )
})

t.test('a merge that others follow is undone by itself', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(
    channel,
    ['ana', 'ben', 'cleo'].map(author => message(`m-${author}`, '09:00:00', { author })),
    at('09:00:01'),
  )
  const [ana, ben, cleo] = await Promise.all(['ana', 'ben', 'cleo'].map(name => contactOf(inbox, name)))
  const first = await merge(inbox, ben!, ana!)
  const second = await merge(inbox, cleo!, ben!)
  has(t, second.moves, { contacts: 2, identities: 2, conversations: 1, notes: 0 })
  t.same(await inbox.run(trx => listPersonIds(trx, cleo!)), [ana, ben, cleo].sort())
  t.equal(await codeOf(merge(inbox, cleo!, ana!)), 'conflict', 'they are one already')
  t.equal(await codeOf(merge(inbox, ana!, cleo!)), 'conflict', 'nobody is merged into somebody merged')
  await unmerge(inbox, cleo!, first.merge_id!)
  t.same(await inbox.run(trx => listPersonIds(trx, ana!)), [ana])
  t.same(await inbox.run(trx => listPersonIds(trx, cleo!)), [ben, cleo].sort())
  t.equal(await codeOf(unmerge(inbox, cleo!, first.merge_id!)), 'validation_failed', 'once')
  t.equal(await codeOf(unmerge(inbox, ana!, second.merge_id!)), 'validation_failed', 'not theirs')
  await unmerge(inbox, cleo!, second.merge_id!)
  t.same(await inbox.run(trx => listSamePerson(trx, ben!)), [ben])
})

t.test('a preview tells what would be found together, what differs, and changes nothing', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(
    channel,
    [
      message('a', '09:00:00'),
      message('b', '09:01:00', { author: 'ben' }),
      message('c', '09:02:00', { author: 'ben', thread_key: 't-2' }),
    ],
    at('09:03:00'),
  )
  const [ana, ben] = [await contactOf(inbox, 'ana'), await contactOf(inbox, 'ben')]
  const before = [await rows(inbox), await inbox.log()]
  const preview = await merge(inbox, ana, ben, true)
  has(t, preview, {
    merge_id: null,
    moves: { contacts: 1, identities: 1, conversations: 2, notes: 0 },
    both_wait: 1,
    conflicts: [{ field: 'name', kept: 'ana', other: 'ben' }],
  })
  t.same([await rows(inbox), await inbox.log()], before)
  t.equal(await codeOf(merge(inbox, ana, ana)), 'validation_failed')
  const done = await merge(inbox, ana, ben)
  t.same({ ...done, merge_id: null }, preview)
  t.equal((await inbox.log()).at(-1), 'contact.merged')
})

t.test('one answer ends the waits of all accounts of a person, each at its own beginning', async t => {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('a', '09:00:00')], at('09:00:01'))
  await inbox.deliver(channel, [message('b', '09:10:00', { author: 'ben' })], at('09:10:01'))
  await inbox.deliver(channel, [message('c', '09:11:00', { author: 'cleo' })], at('09:11:01'))
  const [ana, ben] = [await contactOf(inbox, 'ana'), await contactOf(inbox, 'ben')]
  const { merge_id } = await merge(inbox, ana, ben)
  const { id } = await inbox.only('conversations')
  const toAna = (await inbox.everything('messages')).find(({ external_id }) => external_id === 'a')!
  const answer = await inbox.reply(id, at('09:20:00'), { in_reply_to: toAna.id })
  const accepted = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: at('09:20:01'), permalink: null }
  await inbox.send(answer, at('09:20:01'), accepted)
  const waits = await inbox.everything('waits')
  has(
    t,
    waits.map(({ opened_at, closed_by_message_id }) => ({ opened_at, closed_by_message_id })),
    [
      { opened_at: at('09:00:00'), closed_by_message_id: answer.id },
      { opened_at: at('09:10:00'), closed_by_message_id: answer.id },
      { opened_at: at('09:11:00'), closed_by_message_id: null },
    ],
  )
  t.same(
    (await inbox.everything('sla_clocks')).map(clock => clock.state),
    ['fulfilled', 'fulfilled', 'running'],
  )
  await unmerge(inbox, ana, merge_id!)
  t.same(await inbox.everything('waits'), waits, 'they were answered while they were one')
  // What was said to both did not reach either.
  const bounce = {
    type: 'bounce' as const,
    external_id: 'r-1',
    send_token: null,
    recipient: null,
    reason: 'gone',
    permanent: true,
    occurred_at: at('09:30:00').toISOString(),
  }
  await inbox.deliver(channel, [bounce], at('09:30:01'))
  t.same(
    (await inbox.everything('waits')).map(wait => wait.closed_at),
    [null, null, null],
  )
})

t.test(
  'merges that cross, and messages of the same accounts meanwhile, end in one person who has said it all',
  async t => {
    for (let round = 0; round < 5; round += 1) {
      const inbox = await openInbox()
      const channels = await Promise.all([1, 2, 3, 4].map(() => inbox.addChannel({ kind: 'bluesky' })))
      const people = ['ana', 'ben']
      const said = (channel: number, round: number) =>
        people.map(author =>
          message(`${channel}-${round}-${author}`, '09:00:00', { author, thread_key: `t-${channel}` }),
        )
      await inbox.deliver(channels[0]!, said(0, 0), at('09:00:01'))
      const [ana, ben] = [await contactOf(inbox, 'ana'), await contactOf(inbox, 'ben')]
      const renamed = (index: number) =>
        said(index, 1).map(event => ({
          ...event,
          author: { ...event.author, display_name: `${event.author.handle} ${index}` },
          version_at: at(`09:0${index}:00`).toISOString(),
        }))
      const outcomes = await Promise.all([
        codeOf(merge(inbox, ana, ben)),
        codeOf(merge(inbox, ben, ana)),
        ...channels.map((channel, index) => codeOf(inbox.deliver(channel, renamed(index), at('09:10:00')))),
      ])
      t.same(outcomes.slice(0, 2).sort(), ['conflict', 'done'], 'one of the two merges')
      t.same(outcomes.slice(2), ['done', 'done', 'done', 'done'])
      t.equal((await inbox.everything('messages')).length, 10)
      t.same((await inbox.everything('contacts')).length, 2, 'nobody was made anew')
      t.same(await inbox.run(async trx => (await listSamePerson(trx, ana)).sort()), [ana, ben].sort())
    }
  },
)

t.test('of two who undo the same merge one does', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('a', '09:00:00'), message('b', '09:00:00', { author: 'ben' })], at('09:00:01'))
  const [ana, ben] = [await contactOf(inbox, 'ana'), await contactOf(inbox, 'ben')]
  const { merge_id } = await merge(inbox, ana, ben)
  const outcomes = await Promise.all([1, 2, 3].map(() => codeOf(unmerge(inbox, ana, merge_id!))))
  t.same(outcomes.sort(), ['conflict', 'conflict', 'done'])
  t.equal((await inbox.log()).filter(type => type === 'contact.unmerged').length, 1)
})
