import type { ConnectorEvent } from '@parley/contracts'
import {
  assignConversation,
  breachClocks,
  changeConversation,
  changeConversationTeam,
  changePolicy,
  clearFlag,
  countClocks,
  countEvents,
  createTeam,
  dismissMessage,
  finishAction,
  flagMessage,
  mergeConversations,
  queueAction,
  recalculateClocks,
  splitConversation,
  tagConversation,
  takeActionTask,
  undismissMessage,
  untagConversation,
} from '@parley/core'
import {
  type Channel,
  type Conversation,
  type EventRow,
  findPolicy,
  type Message,
  takeConversationNumbers,
} from '@parley/db'
import { ACTION_VERBS, type ActionVerb, DomainError } from '@parley/domain'
import { capabilities } from '@parley/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import { at, CONNECTED, deletion, type Inbox, message } from './inbox.ts'

type Row = Record<string, unknown>

/** What is counted now, and its sums. */
export const counted = (inbox: Inbox) =>
  inbox.run(async trx => {
    const build = sql`(select build from report_builds)`
    const facts = await sql<Row>`select * from report_facts where build = ${build} order by kind, id`.execute(trx)
    const sums = await sql<Row>`select * from report_sums where build = ${build}
      order by measure, minutes, tagged, at, inbox_id, channel_id, post_id, team_id, user_id, tag_id, outcome, reason,
      bucket`.execute(trx)
    const clocks = await sql<Row>`select * from report_clocks where build = ${build} order by id`.execute(trx)
    const clockSums = await sql<Row>`
      select to_jsonb(s) as row from report_clock_sums s where build = ${build} order by 1`.execute(trx)
    const bare = ({ build: _, ...row }: Row) => row
    return {
      ...{ facts: facts.rows.map(bare), sums: sums.rows.map(bare), clocks: clocks.rows.map(bare) },
      clockSums: clockSums.rows.map(({ row }) => bare(row as Row)),
    }
  })

/** Reads the log as a consumer does, in pages, from where it was left. */
export function follow(inbox: Inbox) {
  let place = { xact: '0', seq: 0 }
  const page = async (limit: number): Promise<number> => {
    const { rows } = await inbox.run(trx =>
      sql<EventRow>`select * from events where (xact, seq) > (${place.xact}::xid8, ${place.seq}::bigint)
        order by xact, seq limit ${limit}`.execute(trx),
    )
    const last = rows.at(-1)
    if (!last) return 0
    await inbox.run(trx => countEvents(trx, rows, CONNECTED))
    await inbox.run(trx => countClocks(trx, rows, CONNECTED))
    place = { xact: last.xact, seq: last.seq }
    return rows.length
  }
  const toTheEnd = async (limit: number) => {
    while ((await page(limit)) > 0);
  }
  return { page, toTheEnd }
}

export const steps = fc.array(
  fc.record({
    what: fc.constantFrom(
      ...(['say', 'say', 'say', 'reply', 'reply', 'natively', 'bounce', 'delete', 'edit', 'history', 'alive'] as const),
      ...(['dismiss', 'phishing', 'undismiss', 'like', 'hide', 'unhide', 'tag', 'untag', 'post', 'late'] as const),
      ...(['resolve', 'spam', 'open', 'merge', 'split', 'own', 'team', 'count', 'count'] as const),
      ...([
        'pending',
        'urgent',
        'lenient',
        'tick',
        'tick',
        'policy',
        'flag',
        'flag',
        'clear',
        'brief',
        'brief',
      ] as const),
    ),
    one: fc.nat(5),
    other: fc.nat(5),
  }),
  { minLength: 15, maxLength: 60 },
)
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never

/** A workspace in which steps are taken, each a minute after the one before it. */
export async function openWorld(inbox: Inbox) {
  const channel = await inbox.addChannel()
  // The numbers of those that are not split off are given out by the inbox of the tests.
  await inbox.run(trx => takeConversationNumbers(trx, 1_000_000))
  const office = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:10', closes: '17:00' }))
  const target = { seconds: 600, by_priority: { urgent: 120, low: 1200 } }
  const targets = {
    ...{ first_response: target, next_response: target, assignment: { seconds: 300 } },
    ...{ resolution: { seconds: 900 }, team_ownership: { seconds: 600 }, moderation: { seconds: 240 } },
  }
  const policy = await inbox.promise({ first: null, next: null, targets, weekly: office })
  const team = await inbox.run(trx => createTeam(trx, 'Mornings', inbox.agent, CONNECTED))
  const reader = follow(inbox)
  let minute = 0
  let said = 0
  const take = async (step: Step) => {
    minute += 1
    said += 1
    const now = new Date(at('09:00:00').getTime() + minute * 60_000)
    const { messages, conversations } = await stored(inbox)
    const time = now.toISOString().slice(11, 19)
    const context = { inbox, channel, team_id: team.id, policy_id: policy.id, now, time, said, step }
    await inbox
      .run(async () => act(context, messages, conversations, reader))
      .catch(error => {
        if (!(error instanceof DomainError)) throw error
      })
  }
  return { inbox, reader, take }
}

async function stored(inbox: Inbox) {
  const messages = await inbox.everything('messages')
  const conversations = (await inbox.everything('conversations')).filter(({ status }) => status !== 'merged')
  return { messages, conversations }
}

type Context = {
  inbox: Inbox
  channel: Channel
  team_id: string
  policy_id: string
  now: Date
  time: string
  said: number
  step: Step
}

const pick = <T>(list: T[], index: number): T | undefined => list[index % Math.max(1, list.length)]

async function act(
  { inbox, channel, team_id, policy_id, now, time, said, step }: Context,
  messages: Message[],
  conversations: Conversation[],
  reader: ReturnType<typeof follow>,
): Promise<unknown> {
  const { what, one, other } = step
  const theirs = messages.filter(({ direction }) => direction === 'inbound')
  const [asked, conversation] = [pick(theirs, one * 7 + other), pick(conversations, one)]
  const deliver = (events: ConnectorEvent[], source: 'webhook' | 'backfill' = 'webhook') =>
    inbox.deliver(channel, events, now, source)
  const spoken = (id: string, fields: Parameters<typeof message>[2] = {}) =>
    message(id, time, { thread_key: `t-${one % 3}`, author: `person-${other % 3}`, ...fields })
  const ids = asked && { conversation_id: asked.conversation_id, message_id: asked.id }
  switch (what) {
    case 'say':
      return deliver([spoken(`m-${said}`)])
    case 'brief':
      return deliver([
        spoken(`m-${said}`, { reply_until: new Date(now.getTime() + (1 + one) * 120_000).toISOString() }),
      ])
    case 'flag':
      return asked && inbox.run(trx => flagMessage(trx, asked.id, 'Insults', inbox.agent, now))
    case 'clear': {
      const flagged = pick(
        theirs.filter(row => row.flagged_at),
        one,
      )
      return flagged && inbox.run(trx => clearFlag(trx, flagged.id, inbox.agent, now))
    }
    case 'late':
      return deliver([message(`m-${said}`, '08:30:00', { thread_key: `t-${one % 3}`, author: `person-${other % 3}` })])
    case 'post':
      return deliver([spoken(`m-${said}`, { post: { external_id: `p-${other % 2}` } as never })])
    case 'natively':
      return deliver([spoken(`n-${said}`, { from_us: true, parent_external_id: asked?.external_id ?? null })])
    case 'history':
      return deliver([spoken(`h-${other}`)], 'backfill')
    case 'alive':
      return deliver([spoken(`h-${other}`)])
    case 'edit':
      return asked && deliver([spoken(asked.external_id!, { text: `another text ${said}` })])
    case 'delete':
      return asked && deliver([deletion(asked.external_id!, time)])
    case 'bounce': {
      const sent = pick(
        messages.filter(row => row.state === 'sent' && row.author_type === 'user'),
        other,
      )
      const told = { send_token: null, recipient: 'ana@example.com', reason: 'Gone.', permanent: true }
      return (
        sent &&
        deliver([{ type: 'bounce', external_id: sent.external_id, ...told, occurred_at: now.toISOString() } as never])
      )
    }
    case 'reply': {
      if (!conversation) return undefined
      const in_reply_to = other === 0 && asked?.conversation_id === conversation.id ? { in_reply_to: asked.id } : {}
      const draft = { force: true, body: `Answer ${other % 2}!`, ...in_reply_to }
      return inbox.send(await inbox.reply(conversation.id, now, draft as never), now)
    }
    case 'dismiss':
    case 'phishing':
      return (
        ids &&
        inbox.run(trx => {
          const as = what === 'dismiss' ? ('no_reply_needed' as const) : ('spam' as const)
          return dismissMessage(trx, ids, { reason: `Reason ${one % 2}`, as }, inbox.agent, now)
        })
      )
    case 'undismiss':
      return ids && inbox.run(trx => undismissMessage(trx, ids, inbox.agent, now))
    case 'like':
    case 'hide':
    case 'unhide':
      return ids && actOn(inbox, ids, what, now)
    case 'tag':
      return (
        conversation && inbox.run(trx => tagConversation(trx, conversation.id, `Tag ${other % 2}`, inbox.agent, now))
      )
    case 'untag':
      return (
        conversation && inbox.run(trx => untagConversation(trx, conversation.id, `Tag ${other % 2}`, inbox.agent, now))
      )
    case 'tick':
      return inbox.run(trx => breachClocks(trx, now, 1 + other))
    case 'policy':
      return inbox.run(async trx => {
        const { version, targets } = (await findPolicy(trx, policy_id))!
        const change = {
          targets: { ...targets, next_response: undefined, first_response: { seconds: 60 * (1 + other) } },
        }
        await changePolicy(trx, policy_id, change, version, inbox.agent, now)
        await recalculateClocks(trx, {}, { after: null, limit: 10, dry_run: false }, inbox.agent, now)
      })
    case 'urgent':
    case 'lenient': {
      const priority = what === 'urgent' ? 'urgent' : 'low'
      return (
        conversation &&
        inbox.run(trx => changeConversation(trx, conversation.id, { priority }, conversation.version, inbox.agent, now))
      )
    }
    case 'resolve':
    case 'spam':
    case 'pending':
    case 'open': {
      const status = what === 'resolve' ? 'resolved' : what
      return (
        conversation &&
        inbox.run(trx => changeConversation(trx, conversation.id, { status }, conversation.version, inbox.agent, now))
      )
    }
    case 'merge': {
      const from = pick(conversations, other)
      if (!conversation || !from) return undefined
      const merge = { into_id: conversation.id, into_version: conversation.version, from_id: from.id }
      return inbox.run(trx => mergeConversations(trx, merge, inbox.agent, now))
    }
    case 'split': {
      const version = conversations.find(({ id }) => id === asked?.conversation_id)?.version ?? 0
      const split = { message_ids: [asked?.id ?? ''], with_replies: other % 2 === 0 }
      return asked && inbox.run(trx => splitConversation(trx, asked.conversation_id, split, version, inbox.agent, now))
    }
    case 'own': {
      if (!conversation) return undefined
      const to = other % 2 === 0 ? inbox.agent.id : null
      const owners = { to, from: conversation.assignee_id }
      return inbox.run(trx => assignConversation(trx, conversation.id, owners, inbox.agent, now))
    }
    case 'team': {
      if (!conversation) return undefined
      const change = { to: other % 2 === 0 ? team_id : null, from: conversation.team_id }
      return inbox.run(trx => changeConversationTeam(trx, conversation.id, change, inbox.agent, now))
    }
    case 'count':
      return reader.page(1 + other * 2)
    default:
      return what satisfies never
  }
}

async function actOn(inbox: Inbox, ids: { conversation_id: string; message_id: string }, verb: ActionVerb, now: Date) {
  const all = () => capabilities({ actions: [...ACTION_VERBS] })
  const action = await inbox.run(trx => queueAction(trx, { ...ids, verb, actor: inbox.agent }, all, now))
  const task = await inbox.run(trx => takeActionTask(trx, action.id, now))
  if (task.task !== 'act') return
  await inbox.run(trx => finishAction(trx, task.attempt, { outcome: 'sent', accepted_at: now }, now, 0))
}
