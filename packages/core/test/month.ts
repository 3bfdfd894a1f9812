import { randomUUID } from 'node:crypto'
import type { ConnectorEvent } from '@parley/contracts'
import {
  assignConversation,
  breachClocks,
  changeCalendar,
  changeConversation,
  changeConversationTeam,
  changePolicy,
  clearFlag,
  createCalendar,
  createPolicy,
  dismissMessage,
  finishAction,
  flagMessage,
  mergeContacts,
  mergeConversations,
  queueAction,
  recalculateClocks,
  splitConversation,
  tagConversation,
  takeActionTask,
  undismissMessage,
  untagConversation,
  wakeSnoozed,
  warnClocks,
} from '@parley/core'
import { type Conversation, insertTeam, insertUser, type Message, updateInbox } from '@parley/db'
import { DomainError, type SlaTargets } from '@parley/domain'
import { capabilities } from '@parley/testing'
import fc from 'fast-check'
import { type Inbox, message, openInbox } from './inbox.ts'

/** In Lisbon the clocks go forward on the 28th, in Adelaide, where an hour begins at half past one of ours, back on 4 April. */
export const BEGIN = new Date('2027-03-08T09:00:00Z')
const CONNECTED = new Date('2027-03-01T00:00:00Z')
const MINUTE = 60_000
const AGENTS = 20
const CUSTOMERS = ['ana', 'ben', 'cleo', 'dina', 'emil']
const THREADS = 4

const pick = fc.nat({ max: 10_000 })
/** For how many hours its network takes an answer; null: for ever. */
const lasts = fc.option(fc.integer({ min: 1, max: 60 }), { nil: null })
const arbitraryStep = fc.oneof(
  // Late: how long the network, and we, kept it.
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('say' as const),
      late: fc.integer({ min: 0, max: 300 }),
      lasts,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit' as const), lasts }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('answer-all' as const), late: fc.integer({ min: 0, max: 90 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flag' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('clear' as const, 'hide' as const, 'unhide' as const),
      late: fc.integer({ min: 0, max: 90 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), late: fc.integer({ min: 0, max: 90 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('answer-natively' as const), late: fc.integer({ min: 0, max: 90 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('status' as const),
      to: fc.constantFrom('open', 'pending', 'resolved', 'resolved', 'snoozed', 'spam'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('priority' as const),
      to: fc.constantFrom('low', 'normal', 'high', 'urgent'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('own' as const), to: fc.option(pick, { nil: null }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('team' as const), to: fc.option(pick, { nil: null }) }) },
  ...(
    ['tag', 'untag', 'reject', 'bounce', 'delete', 'dismiss', 'undismiss', 'merge', 'split', 'merge-people'] as const
  ).map(kind => ({ weight: 1, arbitrary: fc.record({ do: fc.constant(kind) }) })),
  ...(['edit-policy', 'edit-calendar', 'recalculate'] as const).map(kind => ({
    weight: 1,
    arbitrary: fc.record({ do: fc.constant(kind) }),
  })),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('outage' as const), hours: fc.integer({ min: 1, max: 30 }) }) },
)
type Step = (typeof arbitraryStep extends fc.Arbitrary<infer S> ? S : never) & { minutes: number; which: number }

const until = (said: string | Date, hours: number | null) =>
  hours === null ? {} : { reply_until: new Date(new Date(said).getTime() + hours * 3_600_000).toISOString() }

/** What happens within a month, in the order of time; `which` says whom and what of all that there is then. */
export const arbitraryMonth = (length: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc
      .tuple(arbitraryStep, fc.integer({ min: 1, max: Math.round((62 * 24 * 60) / length) }), pick)
      .map(([step, minutes, which]) => ({ ...step, minutes, which })),
    { minLength: length, maxLength: length },
  )

const OFFICE = {
  time_zone: 'Europe/Lisbon',
  weekly: [1, 2, 3, 4, 5].flatMap(weekday => [
    { weekday, opens: '09:00', closes: '13:00' },
    { weekday, opens: '14:00', closes: '18:30' },
  ]),
  holidays: [
    { date: '2027-03-26', name: 'Good Friday' },
    { date: '03-19', closed_from: '12:00', closed_until: '24:00' },
  ],
}
const NIGHTS = {
  time_zone: 'Australia/Adelaide',
  weekly: [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '22:00', closes: '06:00' })),
  holidays: [{ date: '2027-03-29', name: 'Easter Monday' }],
}
const response = {
  seconds: 4 * 3600,
  by_priority: { urgent: 1800, low: 24 * 3600 },
  warn_before_seconds: [3600, 600],
}
const TARGETS: SlaTargets = {
  first_response: response,
  next_response: { ...response, seconds: 6 * 3600 },
  resolution: {
    seconds: 20 * 3600,
    by_priority: { urgent: 7200 },
    pauses_in: ['pending', 'snoozed'],
    warn_before_seconds: [7200],
  },
  assignment: { seconds: 1800 },
  team_ownership: { seconds: 5 * 3600, pauses_in: ['pending'] },
  moderation: { seconds: 3 * 3600, by_priority: { urgent: 1200 }, warn_before_seconds: [1800] },
}

/** A company with people in two places, and a worker that may be away: what it would have done happens when it is back. */
export async function openMonth(db: Inbox['db']) {
  const inbox = await openInbox(db)
  const channel = await inbox.addChannel({ connected_at: CONNECTED })
  const agents = Array.from({ length: AGENTS }, () => randomUUID())
  const teams = [randomUUID(), randomUUID()]
  const policies = await inbox.run(async trx => {
    // Those that are split off take theirs from the workspace.
    await trx.updateTable('workspaces').set({ next_conversation_number: 1_000_000 }).execute()
    for (const id of agents) await insertUser(trx, { id, name: id, role: 'agent', created_at: CONNECTED })
    for (const id of teams) await insertTeam(trx, { id, name: id, created_at: CONNECTED })
    const calendar = (name: string, definition: typeof OFFICE) =>
      createCalendar(trx, { name, definition }, inbox.agent, CONNECTED)
    const [office, nights] = [await calendar('Office', OFFICE), await calendar('Nights', NIGHTS)]
    const common = { position: 1, enabled: true, enforce_from: CONNECTED, targets: TARGETS }
    const create = (
      draft: Pick<
        Parameters<typeof createPolicy>[1],
        'name' | 'conditions' | 'calendar_id' | 'top_level_reply_answers_all'
      >,
    ) => createPolicy(trx, { ...common, ...draft }, inbox.agent, CONNECTED)
    const all = { top_level_reply_answers_all: true }
    const standard = await create({ name: 'Standard', conditions: null, ...all, calendar_id: office.id })
    const gold = await create({ name: 'Gold', conditions: { tag: ['gold'] }, calendar_id: nights.id })
    const theirs = {
      ...all,
      name: 'Theirs',
      conditions: { team_id: [teams[1]!], priority: ['low' as const, 'urgent' as const] },
    }
    const team = await create({ ...theirs, calendar_id: nights.id })
    await updateInbox(trx, inbox.inbox_id, { sla_policy_id: standard.id })
    return [standard, gold, team]
  })
  const versions = new Map(policies.map(({ id }) => [id, 1]))
  const calendars = new Map(policies.map(({ calendar_id }) => [calendar_id, 1]))
  let now = BEGIN
  let away: Date | null = null
  let said = 0
  /** What was received while nobody worked on it. */
  const backlog: ConnectorEvent[] = []

  const agentAt = (which: number) => ({ type: 'user' as const, id: agents[which % AGENTS]! })
  const one = <T>(rows: T[], which: number): T | undefined => rows[which % rows.length]
  const work = async (time: Date) => {
    if (backlog.length > 0) await inbox.deliver(channel, backlog.splice(0), time)
    await inbox.run(trx => wakeSnoozed(trx, time, 100))
    await inbox.run(trx => breachClocks(trx, time, 1000))
    await inbox.run(trx => warnClocks(trx, time, 1000))
  }
  const deliver = async (event: ConnectorEvent) => {
    backlog.push(event)
    if (!away) await work(now)
  }

  const take = async (step: Step): Promise<void> => {
    const { which } = step
    const conversations = (await inbox.everything('conversations')).filter(({ status }) => status !== 'merged')
    const conversation = one(conversations, which)
    const messages = await inbox.everything('messages')
    const customers = messages.filter(({ direction }) => direction === 'inbound')
    const actor = agentAt(which)
    const occurred = (minutes: number) => new Date(now.getTime() - minutes * MINUTE).toISOString()
    if (step.do === 'say') {
      said += 1
      const by = CUSTOMERS[which % CUSTOMERS.length]!
      const thread_key = `t-${Math.floor(which / 7) % THREADS}`
      const at = occurred(step.late)
      return deliver({
        ...message(`m-${said}`, '09:00:00', { author: by, thread_key }),
        ...until(at, step.lasts),
        occurred_at: at,
        version_at: at,
      })
    }
    if (step.do === 'outage') {
      away = new Date(now.getTime() + step.hours * 3_600_000)
      return
    }
    if (step.do === 'edit-policy') {
      const policy = policies[which % policies.length]!
      const targets = { ...TARGETS, resolution: { seconds: 3600 * (1 + (which % 30)) } }
      const change = { targets, top_level_reply_answers_all: which % 2 === 0 }
      const version = versions.get(policy.id)!
      await inbox.run(trx => changePolicy(trx, policy.id, change, version, actor, now))
      versions.set(policy.id, version + 1)
      return
    }
    if (step.do === 'edit-calendar') {
      const [id, version] = one([...calendars], which)!
      const weekly = OFFICE.weekly.slice(which % 3)
      await inbox.run(trx => changeCalendar(trx, id, { definition: { ...OFFICE, weekly } }, version, actor, now))
      calendars.set(id, version + 1)
      return
    }
    if (step.do === 'recalculate') {
      await inbox.run(trx => recalculateClocks(trx, {}, { after: null, limit: 100, dry_run: false }, actor, now))
      return
    }
    if (step.do === 'merge-people') {
      const [into, from] = [one(customers, which)?.contact_id, one(customers, which + 1)?.contact_id]
      if (into && from && which % 4 === 0)
        await inbox.run(trx =>
          mergeContacts(
            trx,
            { into_id: into, from_id: from, dry_run: false },
            { ...actor, role: 'lead' } as never,
            now,
          ),
        )
      return
    }
    if (!conversation) return
    const { id, version, assignee_id, team_id } = conversation
    const inside = customers.filter(one => one.conversation_id === id)
    const asked: Message | undefined = one(inside, which)
    const ids = { conversation_id: id, message_id: asked?.id ?? '' }
    switch (step.do) {
      case 'edit': {
        if (!asked) return
        const { external_id, occurred_at } = asked
        const version_at = now.toISOString()
        const edited = { ...message(external_id!, '09:00:00'), ...until(occurred_at, step.lasts), text: version_at }
        return deliver({
          ...edited,
          thread_key: conversation.thread_key,
          occurred_at: occurred_at.toISOString(),
          version_at,
        })
      }
      case 'flag':
        if (asked) await inbox.run(trx => flagMessage(trx, asked.id, 'Insults', actor, now))
        return
      case 'clear':
      case 'hide':
      case 'unhide': {
        const verb = step.do
        const sought = customers.filter(one => (verb === 'unhide' ? one.hidden_at : one.flagged_at))
        const target = one(sought, which) ?? asked
        if (!target) return
        if (verb === 'clear') return void (await inbox.run(trx => clearFlag(trx, target.id, actor, now)))
        const draft = { conversation_id: target.conversation_id, message_id: target.id, verb, actor }
        const action = await inbox.run(trx =>
          queueAction(trx, draft, () => capabilities({ actions: ['hide', 'unhide'] }), now),
        )
        const task = await inbox.run(trx => takeActionTask(trx, action.id, now))
        const accepted_at = new Date(now.getTime() - step.late * MINUTE)
        if (task.task === 'act')
          await inbox.run(trx => finishAction(trx, task.attempt, { outcome: 'sent', accepted_at }, now, 0))
        return
      }
      case 'answer':
      case 'reject':
      case 'bounce': {
        const queued = await inbox.reply(id, new Date(now.getTime() - MINUTE), {
          force: true,
          author: actor,
          ...(which % 2 && asked ? { in_reply_to: asked.id } : {}),
        })
        if (step.do === 'reject') return void (await inbox.send(queued, now, { outcome: 'rejected', reason: 'no' }))
        const external_id = `r-${queued.id}`
        const accepted_at = new Date(now.getTime() - (step.do === 'answer' ? step.late * MINUTE : 0))
        await inbox.send(queued, now, { outcome: 'sent', external_id, accepted_at, permalink: null })
        if (step.do === 'bounce')
          await deliver({
            ...{
              type: 'bounce',
              external_id,
              send_token: null,
              recipient: 'them',
              reason: 'Unknown.',
              permanent: true,
            },
            occurred_at: now.toISOString(),
          })
        return
      }
      case 'answer-all':
      case 'answer-natively': {
        said += 1
        const at = occurred(step.late)
        const parent_external_id = step.do === 'answer-all' ? null : (asked?.external_id ?? null)
        const answer = message(`n-${said}`, '09:00:00', {
          author: 'shop',
          thread_key: conversation.thread_key,
          from_us: true,
        })
        return deliver({ ...answer, parent_external_id, occurred_at: at, version_at: at })
      }
      case 'delete':
        if (asked) await deliver({ type: 'deletion', external_id: asked.external_id!, version_at: now.toISOString() })
        return
      case 'dismiss':
        if (asked)
          await inbox.run(trx =>
            dismissMessage(trx, ids, { reason: 'x', as: which % 2 ? 'spam' : 'no_reply_needed' }, actor, now),
          )
        return
      case 'undismiss': {
        const gone = inside.find(({ dismissed_at }) => dismissed_at)
        if (gone)
          await inbox.run(trx => undismissMessage(trx, { conversation_id: id, message_id: gone.id }, actor, now))
        return
      }
      case 'merge': {
        const other = one(
          conversations.filter(row => row.id !== id),
          which,
        )
        const merge = other && { into_id: id, from_id: other.id, into_version: version }
        if (merge) await inbox.run(trx => mergeConversations(trx, merge, actor, now))
        return
      }
      case 'split': {
        const split = { message_ids: [ids.message_id], with_replies: which % 2 === 0 }
        if (asked) await inbox.run(trx => splitConversation(trx, id, split, version, actor, now))
        return
      }
      case 'tag':
      case 'untag': {
        const tag = step.do === 'tag' ? tagConversation : untagConversation
        return void (await inbox.run<unknown>(trx => tag(trx, id, 'gold', actor, now)))
      }
      case 'own': {
        const to = step.to === null ? null : agents[step.to % AGENTS]!
        return void (await inbox.run(trx => assignConversation(trx, id, { from: assignee_id, to }, actor, now)))
      }
      case 'team': {
        const given = { from: team_id, to: step.to === null ? null : teams[step.to % 2]! }
        return void (await inbox.run(trx => changeConversationTeam(trx, id, given, actor, now)))
      }
      case 'priority':
      case 'status': {
        const snooze =
          step.to === 'snoozed' ? { snoozed_until: new Date(now.getTime() + (1 + (which % 72)) * 3_600_000) } : {}
        const change = { [step.do]: step.to, ...snooze } as Parameters<typeof changeConversation>[2]
        return void (await inbox.run(trx => changeConversation(trx, id, change, version, actor, now)))
      }
    }
  }

  return {
    inbox,
    conversations: (): Promise<Conversation[]> => inbox.everything('conversations'),
    now: () => now,
    work,
    /** One step, and what the worker does of its own accord before and after it, where it is there. What is refused is refused. */
    async take(step: Step): Promise<void> {
      now = new Date(now.getTime() + step.minutes * MINUTE)
      if (away && away <= now) {
        await work(away)
        away = null
      }
      if (!away) await work(now)
      await take(step).catch(error => {
        if (!(error instanceof DomainError)) throw error
      })
    },
  }
}
