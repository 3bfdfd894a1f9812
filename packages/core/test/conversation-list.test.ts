import { randomUUID } from 'node:crypto'
import {
  type Conversation,
  type ConversationFilter,
  compactCounts,
  conversationPosition,
  countConversations,
  insertConversations,
  insertInbox,
  insertTag,
  insertTeam,
  insertUser,
  listConversations,
  markRead,
  tagConversation,
  updateConversation,
} from '@parley/db'
import {
  CONVERSATION_PRIORITIES,
  CONVERSATION_SORTS,
  CONVERSATION_STATUSES,
  type ConversationSort,
} from '@parley/domain'
import fc from 'fast-check'
import t from 'tap'
import { at, type Inbox, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const NOW = at('12:00:00')
const RISK_MS = 30 * 60_000
const COUNT = 120
/** The last one begins like another and is another language. */
const LANGUAGES = [null, 'pt', 'pt-BR', 'ptx']

const pick = <T>(values: readonly T[], place: number): T => values[place % values.length]!
const minute = (place: number) => new Date(NOW.getTime() - place * 60_000)

/** Conversations of every kind, many of them alike in what lists are sorted by. */
async function fill(inbox: Inbox) {
  const channels = [await inbox.addChannel(), await inbox.addChannel()]
  const inbox_ids = [inbox.inbox_id, randomUUID()]
  const user_ids = [inbox.agent.id, randomUUID()]
  const [tag_id, other_tag_id] = [randomUUID(), randomUUID()]
  const team_id = randomUUID()
  const ids = Array.from({ length: COUNT }, () => randomUUID())
  await inbox.run(async trx => {
    await insertInbox(trx, { id: inbox_ids[1]!, name: 'Other', created_at: NOW })
    await insertUser(trx, { id: user_ids[1]!, name: 'Bo', role: 'agent', created_at: NOW })
    await insertTeam(trx, { id: team_id, name: 'Night', created_at: NOW })
    for (const id of [tag_id, other_tag_id])
      await insertTag(trx, { id, name: id, name_key: id, color: null, archived_at: null, created_at: NOW })
    await insertConversations(
      trx,
      ids.map((id, place) => ({
        id,
        number: place + 1,
        inbox_id: pick(inbox_ids, place),
        channel_id: pick(channels, Math.floor(place / 3)).id,
        contact_id: null,
        thread_key: id,
        subject: null,
        status: pick(CONVERSATION_STATUSES, Math.floor(place / 2)),
        snoozed_until: at('18:00:00'),
        priority: pick(CONVERSATION_PRIORITIES, Math.floor(place / 5)),
        assignee_id: pick([null, ...user_ids], Math.floor(place / 7)),
        team_id: pick([null, team_id], Math.floor(place / 11)),
        language: pick(LANGUAGES, Math.floor(place / 13)),
        language_source: pick(LANGUAGES, Math.floor(place / 13)) ? ('detected' as const) : null,
        waiting_since: place % 3 === 0 ? null : minute((place % 5) * 20),
        next_due_at: place % 4 === 0 ? null : minute((place % 6) * 30 - 60),
        first_message_at: NOW,
        last_message_at: minute(place % 9),
        created_at: NOW,
        updated_at: minute(place),
      })),
    )
    const tagged = { tagged_by_type: 'system', tagged_by_id: null, tagged_at: NOW }
    for (const [place, id] of ids.entries()) {
      if (place % 5 === 0) await tagConversation(trx, { conversation_id: id, tag_id, ...tagged })
      if (place % 10 === 0) await tagConversation(trx, { conversation_id: id, tag_id: other_tag_id, ...tagged })
      if (place % 8 === 0) await markRead(trx, user_ids[0]!, id, minute(4))
    }
  })
  const rows = await inbox.everything('conversations')
  const place = new Map(ids.map((id, index) => [id as string, index]))
  const tagsOf = (id: string): string[] => [
    ...(place.get(id)! % 5 === 0 ? [tag_id] : []),
    ...(place.get(id)! % 10 === 0 ? [other_tag_id] : []),
  ]
  const readAt = (id: string) => (place.get(id)! % 8 === 0 ? minute(4) : null)
  return { rows, channels, inbox_ids, user_ids, team_id, tag_id, other_tag_id, tagsOf, readAt }
}
type Filled = Awaited<ReturnType<typeof fill>>

/** What a filter lets through, said plainly. */
function passes(row: Conversation, filter: ConversationFilter, { tagsOf, readAt }: Filled): boolean {
  const { sla } = filter
  const due = row.next_due_at?.getTime() ?? Number.POSITIVE_INFINITY
  const state = due < NOW.getTime() ? 'breached' : due < NOW.getTime() + RISK_MS ? 'at_risk' : 'ok'
  const read = readAt(row.id)
  return [
    !filter.status || filter.status.includes(row.status),
    !filter.inbox_ids || filter.inbox_ids.includes(row.inbox_id),
    !filter.priority || filter.priority.includes(row.priority),
    !filter.channel_id || filter.channel_id === row.channel_id,
    filter.assignee_id === undefined || filter.assignee_id === row.assignee_id,
    filter.team_id === undefined || filter.team_id === row.team_id,
    !filter.tag_ids || filter.tag_ids.every(id => tagsOf(row.id).includes(id)),
    filter.language === undefined || isOf(filter.language, row.language),
    !filter.waiting || row.waiting_since !== null,
    !sla || sla.state === state,
    !filter.unread_by || read === null || read < row.last_message_at,
    !filter.updated_after || row.updated_at > filter.updated_after,
  ].every(Boolean)
}

const isOf = (language: string | null, written: string | null) =>
  language === written || (language !== null && written?.startsWith(`${language}-`) === true)

function sorted(rows: Conversation[], sort: ConversationSort): Conversation[] {
  const time = (date: Date | null) => date?.getTime() ?? Number.POSITIVE_INFINITY
  const byId = (a: Conversation, b: Conversation) => (a.id < b.id ? -1 : 1)
  const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1)
  const orders: Record<ConversationSort, (a: Conversation, b: Conversation) => number> = {
    newest: (a, b) => compare(time(b.last_message_at), time(a.last_message_at)) || byId(b, a),
    oldest: (a, b) => compare(time(a.last_message_at), time(b.last_message_at)) || byId(a, b),
    waiting: (a, b) => compare(time(a.waiting_since), time(b.waiting_since)) || byId(a, b),
    urgency: (a, b) =>
      compare(time(a.next_due_at), time(b.next_due_at)) ||
      compare(time(a.waiting_since), time(b.waiting_since)) ||
      byId(a, b),
  }
  const shown = sort === 'waiting' ? rows.filter(row => row.waiting_since !== null) : rows
  return shown.toSorted(orders[sort])
}

const some = <T>(values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
const several = <T>(values: readonly T[]) =>
  fc.option(fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 }), { nil: undefined })

const filters = ({ channels, inbox_ids, user_ids, team_id, tag_id, other_tag_id }: Filled) =>
  fc.record({
    status: several(CONVERSATION_STATUSES),
    inbox_ids: several(inbox_ids),
    priority: several(CONVERSATION_PRIORITIES),
    channel_id: some(channels.map(({ id }) => id)),
    assignee_id: some([null, ...user_ids]),
    team_id: some([null, team_id]),
    tag_ids: several([tag_id, other_tag_id]),
    language: some([null, 'pt', 'pt-BR']),
    waiting: some([true]),
    sla: some((['breached', 'at_risk', 'ok'] as const).map(state => ({ state, now: NOW, risk_ms: RISK_MS }))),
    unread_by: some([user_ids[0]!]),
    updated_after: some([minute(60)]),
  })

t.test('a list has what its filter says, in its order, whatever its pages', async t => {
  const inbox = await openInbox()
  const filled = await fill(inbox)
  const property = fc.asyncProperty(
    // Every filter alone as well as together with others.
    fc.tuple(filters(filled), fc.subarray(Object.keys(passesKeys))).map(([filter, kept]) => only(filter, kept)),
    fc.constantFrom(...CONVERSATION_SORTS),
    fc.integer({ min: 1, max: 40 }),
    async (filter, sort, limit) => {
      const expected = sorted(
        filled.rows.filter(row => passes(row, filter, filled)),
        sort,
      )
      const listed: Conversation[] = []
      for (;;) {
        const last = listed.at(-1)
        const after = last && conversationPosition(last, sort)
        const page = await inbox.run(trx => listConversations(trx, filter, { sort, limit, after }))
        listed.push(...page)
        if (page.length < limit) break
      }
      const ids = (rows: Conversation[]) => rows.map(({ id }) => id).join()
      if (ids(listed) !== ids(expected)) throw new Error(`${listed.length} listed, ${expected.length} expected`)
      const { count, at_least } = await inbox.run(trx => countConversations(trx, filter))
      const all = filled.rows.filter(row => passes(row, filter, filled)).length
      if (count !== all || at_least) throw new Error(`${count} counted, ${all} are there`)
    },
  )
  await t.resolves(fc.assert(property, { numRuns: 300 }))
})

const passesKeys = {
  status: 1,
  inbox_ids: 1,
  priority: 1,
  channel_id: 1,
  assignee_id: 1,
  team_id: 1,
  tag_ids: 1,
  language: 1,
  waiting: 1,
  sla: 1,
  unread_by: 1,
  updated_after: 1,
}
const only = (filter: ConversationFilter, kept: string[]): ConversationFilter =>
  Object.fromEntries(Object.entries(filter).filter(([key]) => kept.includes(key)))

t.test('counts follow every change, and adding them up changes none of them', async t => {
  const inbox = await openInbox()
  const { rows, inbox_ids, user_ids } = await fill(inbox)
  const counted = async () => {
    const all: number[] = []
    for (const status of CONVERSATION_STATUSES)
      for (const inbox_id of inbox_ids)
        for (const assignee_id of [null, ...user_ids])
          all.push(
            (await inbox.run(trx => countConversations(trx, { status: [status], inbox_ids: [inbox_id], assignee_id })))
              .count,
          )
    return all
  }
  const truth = () =>
    inbox.run(async trx => {
      const now = await trx.selectFrom('conversations').selectAll().execute()
      return CONVERSATION_STATUSES.flatMap(status =>
        inbox_ids.flatMap(inbox_id =>
          [null, ...user_ids].map(
            assignee_id =>
              now.filter(row => row.status === status && row.inbox_id === inbox_id && row.assignee_id === assignee_id)
                .length,
          ),
        ),
      )
    })
  t.same(await counted(), await truth())
  for (const [place, { id }] of rows.entries())
    await inbox.run(trx =>
      updateConversation(trx, id, {
        status: pick(['open', 'resolved', 'pending'] as const, place),
        assignee_id: pick([null, ...user_ids], place),
        updated_at: NOW,
      }),
    )
  const before = await counted()
  t.same(before, await truth())
  const rowsOf = () =>
    inbox.run(trx =>
      trx
        .selectFrom('conversation_counts')
        .select(eb => eb.fn.countAll().as('n'))
        .executeTakeFirst(),
    )
  const many = Number((await rowsOf())?.n)
  const fewer = await inbox.run(trx => compactCounts(trx, 10_000))
  t.ok(fewer > 0)
  t.equal(Number((await rowsOf())?.n), many - fewer)
  t.same(await counted(), before)
  const changes = rows
    .slice(0, 30)
    .map(({ id }) => inbox.run(trx => updateConversation(trx, id, { status: 'spam', updated_at: NOW })))
  const compactions = [1, 2, 3].map(() => inbox.run(trx => compactCounts(trx, 10_000)))
  await Promise.all([...changes, ...compactions])
  t.same(await counted(), await truth(), 'also while it happens')
})
