import { randomUUID } from 'node:crypto'
import {
  assignConversation,
  breachClocks,
  changeConversation,
  changeConversationTeam,
  claimConversation,
  clearFlag,
  createPolicy,
  dismissMessage,
  flagMessage,
  lapseClaims,
  setAvailability,
  settleClocks,
  tagConversation,
  untagConversation,
  wakeSnoozed,
} from '@parley/core'
import { insertTeam, type SlaClock } from '@parley/db'
import { DomainError, isBreached } from '@parley/domain'
import fc from 'fast-check'
import t from 'tap'
import { CONNECTED, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const START = Date.parse('2026-03-02T09:00:00Z')

const step = fc.oneof(
  fc.record({
    do: fc.constant('status' as const),
    to: fc.constantFrom('open', 'pending', 'resolved', 'spam', 'snoozed'),
  }),
  fc.record({ do: fc.constant('priority' as const), to: fc.constantFrom('low', 'normal', 'urgent') }),
  fc.record({ do: fc.constant('own' as const), to: fc.boolean() }),
  fc.record({ do: fc.constant('team' as const), to: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ do: fc.constant('tag' as const), to: fc.boolean() }),
  fc.record({ do: fc.constant('claim' as const), to: fc.constant(null) }),
  fc.record({ do: fc.constant('leave' as const), to: fc.boolean() }),
  // For how many minutes the network takes an answer.
  fc.record({ do: fc.constant('say' as const), to: fc.option(fc.integer({ min: 1, max: 300 }), { nil: null }) }),
  fc.record({ do: fc.constantFrom('flag' as const, 'clear' as const, 'dismiss' as const), to: fc.nat(10) }),
  fc.record({ do: fc.constant('answer' as const), to: fc.constantFrom('sent', 'rejected') }),
)
const story = fc.array(fc.record({ step, minutes: fc.integer({ min: 1, max: 90 }) }), { minLength: 1, maxLength: 12 })

/** An inbox with promises of every kind, of which some hold for what is tagged and some for what a team has. */
async function world() {
  const inbox = await openInbox()
  const kinds = {
    resolution: { seconds: 7200 },
    assignment: { seconds: 1200 },
    team_ownership: { seconds: 2400 },
    moderation: { seconds: 1800 },
  }
  const { calendar_id } = await inbox.promise({ targets: kinds })
  const teams = [randomUUID(), randomUUID()]
  await inbox.run(async trx => {
    for (const id of teams) await insertTeam(trx, { id, name: id, created_at: CONNECTED })
    const target = { seconds: 3600, by_priority: { urgent: 600, low: 36_000 } }
    const targets = {
      first_response: target,
      next_response: target,
      resolution: { ...target, pauses_in: ['snoozed' as const] },
      moderation: target,
    }
    const common = { position: 1, enabled: true, calendar_id, targets, enforce_from: new Date(0) }
    await createPolicy(trx, { ...common, name: 'tag', conditions: { tag: ['gold'] } }, inbox.agent, CONNECTED)
    const conditions = { team_id: [teams[1]!], priority: ['low' as const, 'urgent' as const] }
    await createPolicy(trx, { ...common, name: 'team', position: 2, conditions }, inbox.agent, CONNECTED)
  })
  const channel = await inbox.addChannel()
  let said = 0
  const say = (now: Date, minutes: number | null = null) => {
    said += 1
    const reply_until = minutes && new Date(now.getTime() + minutes * 60_000).toISOString()
    const one = message(`m-${said}`, '09:00:00', reply_until ? { reply_until } : {})
    return inbox.deliver(channel, [{ ...one, occurred_at: now.toISOString() }], now)
  }
  await say(new Date(START))
  const conversation = () => inbox.only('conversations')
  const { id } = await conversation()

  const take = async ({ do: what, to }: { do: string; to: unknown }, now: Date): Promise<void> => {
    const { version, assignee_id, team_id, waiting_since } = await conversation()
    const run = <T>(work: Parameters<typeof inbox.run<T>>[0]) => inbox.run(work)
    if (what === 'status' || what === 'priority') {
      const snooze = to === 'snoozed' ? { snoozed_until: new Date(now.getTime() + 3_600_000) } : {}
      await run(trx => changeConversation(trx, id, { [what]: to, ...snooze }, version, inbox.agent, now))
    }
    if (what === 'own') {
      const owners = { from: assignee_id, to: to ? inbox.agent.id : null }
      await run(trx => assignConversation(trx, id, owners, inbox.agent, now))
    }
    if (what === 'leave') {
      const out = { availability: to ? ('available' as const) : ('out_of_office' as const), until: null }
      await run(trx => setAvailability(trx, inbox.agent.id, out, inbox.agent, now))
    }
    if (what === 'claim' && !assignee_id) await run(trx => claimConversation(trx, id, inbox.agent.id, inbox.agent, now))
    if (what === 'team') {
      const given = { from: team_id, to: teams[(to as number) - 1] ?? null }
      await run(trx => changeConversationTeam(trx, id, given, inbox.agent, now))
    }
    if (what === 'tag')
      await run<unknown>(trx => (to ? tagConversation : untagConversation)(trx, id, 'gold', inbox.agent, now))
    if (what === 'say') await say(now, to as number | null)
    if (what === 'flag' || what === 'clear' || what === 'dismiss') {
      const theirs = (await inbox.everything('messages')).filter(({ direction }) => direction === 'inbound')
      const { id: message_id } = theirs[(to as number) % theirs.length]!
      const dismissal = { reason: 'Thanks', as: 'no_reply_needed' as const }
      const done = run<unknown>(trx =>
        what === 'flag'
          ? flagMessage(trx, message_id, 'Insults', inbox.agent, now)
          : what === 'clear'
            ? clearFlag(trx, message_id, inbox.agent, now)
            : dismissMessage(trx, { conversation_id: id, message_id }, dismissal, inbox.agent, now),
      )
      // What is answered needs no dismissal.
      await refusable(done, 'conflict')
    }
    if (what === 'answer' && waiting_since) {
      // Once its network takes no answer any more, none is tried.
      const queued = await refusable(inbox.reply(id, now, { force: true }), 'reply_refused')
      if (!queued) return
      await inbox.send(queued, now, to === 'rejected' ? { outcome: 'rejected', reason: 'no' } : undefined)
    }
    await run(trx => wakeSnoozed(trx, now, 10))
    await run(trx => lapseClaims(trx, now, 10))
  }
  return { inbox, id, conversation, take }
}

/** Undefined where it was refused so. */
const refusable = <T>(done: Promise<T>, code: DomainError['code']): Promise<T | undefined> =>
  done.catch(error => {
    if (error instanceof DomainError && error.code === code) return undefined
    throw error
  })

const live = ({ state }: SlaClock) => state === 'running' || state === 'paused'

t.test('whatever happens to a conversation, its clocks have followed it when it has', async t => {
  await fc.assert(
    fc.asyncProperty(story, async steps => {
      const { inbox, conversation, take } = await world()
      let now = new Date(START)
      for (const { step, minutes } of steps) {
        now = new Date(now.getTime() + minutes * 60_000)
        await take(step, now)
        // What has fallen due meanwhile is the tick's to find.
        await inbox.run(trx => breachClocks(trx, now, 100))
        const row = await conversation()
        const again = await inbox.run(trx => settleClocks(trx, [{ ...row, changed: [] }], inbox.agent, now))
        t.notOk(again, `nothing was left to do after ${JSON.stringify(step)}`)
        const clocks = await inbox.everything('sla_clocks')
        const due = clocks.filter(({ state }) => state === 'running').map(({ due_at }) => due_at.getTime())
        t.equal(row.next_due_at?.getTime() ?? Infinity, Math.min(...due), 'the row knows what falls due first')
        const ended = ['resolved', 'spam'].includes(row.status)
        for (const metric of ['resolution', 'assignment', 'team_ownership'] as const) {
          const going = clocks.filter(clock => clock.metric === metric && live(clock))
          t.ok(going.length <= 1, `one ${metric} at a time`)
          if (ended) t.same(going, [], `no ${metric} of what has ended`)
        }
        if (row.assignee_id) t.notOk(clocks.some(clock => clock.metric === 'assignment' && live(clock)))
        for (const clock of clocks) {
          if (clock.breached_at) t.same(clock.breached_at, clock.due_at, 'a breach is at its due time')
          if (clock.fulfilled_at && clock.state === 'fulfilled' && clock.paused_at === null)
            t.equal(clock.breached_at !== null, isBreached(clock.due_at, clock.fulfilled_at), 'late is breached')
        }
        // Who waits has a clock exactly where a policy promises something to them.
        const waits = (await inbox.everything('waits')).filter(({ closed_at }) => closed_at === null)
        const messages = await inbox.everything('messages')
        for (const { id } of waits) {
          const theirs = clocks.filter(clock => clock.wait_id === id && live(clock))
          const isWindow = ({ metric }: SlaClock) => metric === 'network_window'
          t.ok(theirs.filter(clock => !isWindow(clock)).length <= 1)
          // What nobody has answered lies within a window, open or missed.
          for (const { disposition, occurred_at, reply_until } of messages)
            if (reply_until && disposition === 'unhandled')
              t.ok(
                theirs.some(one => isWindow(one) && one.started_at <= occurred_at && one.due_at >= reply_until),
                'a window for what nobody has answered',
              )
        }
        for (const clock of clocks.filter(({ metric, state }) => metric === 'network_window' && state === 'running'))
          t.ok(
            waits.some(({ id }) => id === clock.wait_id),
            'no window of what nobody waits for',
          )
        // What is flagged has its clock, and nothing else.
        const flagged = messages.filter(({ flagged_at }) => flagged_at).map(({ id }) => id)
        const moderated = clocks.filter(clock => clock.metric === 'moderation' && live(clock))
        for (const { message_id } of moderated) t.ok(flagged.includes(message_id!), 'no clock of what is not flagged')
        for (const id of flagged) t.ok(moderated.filter(({ message_id }) => message_id === id).length <= 1)
      }
    }),
    { numRuns: 30 },
  )
})

t.test('whether a worker looked every time or was away all day, the same promises were kept', async t => {
  await fc.assert(
    fc.asyncProperty(story, async steps => {
      const [watched, alone] = [await world(), await world()]
      const look = (now: Date) => watched.inbox.run(trx => breachClocks(trx, now, 100))
      let now = new Date(START)
      for (const { step, minutes } of steps) {
        now = new Date(now.getTime() + minutes * 60_000)
        await look(now)
        for (const { take } of [watched, alone]) await take(step, now)
      }
      await look(now)
      await alone.inbox.run(trx => breachClocks(trx, now, 100))
      const records = async ({ inbox }: typeof watched) =>
        (await inbox.everything('sla_clocks'))
          .map(({ metric, ordinal, state, due_at, breached_at, fulfilled_at, cancelled_reason }) =>
            JSON.stringify({ metric, ordinal, state, due_at, breached_at, fulfilled_at, cancelled_reason }),
          )
          .sort()
      t.same(await records(alone), await records(watched))
    }),
    { numRuns: 20 },
  )
})
