import { randomUUID } from 'node:crypto'
import {
  assignConversation,
  breachClocks,
  changeConversation,
  changeConversationTeam,
  changePolicy,
  changeUser,
  claimConversation,
  createPolicy,
  lapseClaims,
  mergeConversations,
  recalculateClocks,
  setAvailability,
  tagConversation,
  untagConversation,
  warnClocks,
} from '@parley/core'
import { insertTeam, insertTeamMember, type PolicyRow, type SlaClock } from '@parley/db'
import { SLA_METRICS, type SlaTargets } from '@parley/domain'
import { has } from '@parley/testing'
import t from 'tap'
import { at, CONNECTED, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const HOUR = 3_600_000

/** An inbox whose policy promises these, with one conversation that a customer began at nine. */
async function asked(targets: SlaTargets) {
  const inbox = await openInbox()
  const policy = await inbox.promise({ first: null, next: null, targets })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('hello', '09:00:00')], at('09:00:01'))
  const conversation = () => inbox.only('conversations')
  const { id } = await conversation()
  /** In the order of their metrics, and of each as they began and ended. */
  const clocks = async (metric?: string) => {
    const all = (await inbox.everything('sla_clocks')).filter(clock => !metric || clock.metric === metric)
    const place = (clock: SlaClock) => [SLA_METRICS.indexOf(clock.metric), clock.ordinal, +(clock.cancelled_at ?? 9e15)]
    return all.sort((a, b) => place(a).reduce((sum, part, index) => sum || part - place(b)[index]!, 0))
  }
  const change = async (fields: Parameters<typeof changeConversation>[2], time: string) => {
    const { version } = await conversation()
    return inbox.run(trx => changeConversation(trx, id, fields, version, inbox.agent, at(time)))
  }
  const own = async (to: string | null, time: string) => {
    const { assignee_id: from } = await conversation()
    return inbox.run(trx => assignConversation(trx, id, { from, to }, inbox.agent, at(time)))
  }
  return { inbox, policy, channel, id, conversation, clocks, change, own }
}

type Asked = Awaited<ReturnType<typeof asked>>

/** A policy of the same calendar that is tried before the inbox's own. */
const addPolicy = (inbox: Inbox, { calendar_id }: PolicyRow, fields: Partial<Parameters<typeof createPolicy>[1]>) =>
  inbox.run(trx =>
    createPolicy(
      trx,
      {
        ...{ name: randomUUID(), position: 1, enabled: true, calendar_id, conditions: {}, enforce_from: new Date(0) },
        targets: { first_response: { seconds: 600 } },
        ...fields,
      },
      inbox.agent,
      CONNECTED,
    ),
  )

const told = async (inbox: Inbox, type: string) =>
  inbox.run(async trx => {
    const rows = await trx
      .selectFrom('events')
      .selectAll()
      .where('type', '=', type as never)
      .orderBy('seq')
      .execute()
    return rows.map(({ data }) => data as Record<string, unknown>)
  })

t.test('policies are ordered, first match wins; the inbox names the one for when none matches', async t => {
  const { inbox, policy, channel } = await asked({ first_response: { seconds: 3600 } })
  const late = await addPolicy(inbox, policy, { position: 9, targets: { first_response: { seconds: 60 } } })
  await addPolicy(inbox, policy, { position: 5, conditions: { priority: ['urgent'] } })
  await addPolicy(inbox, policy, { position: 4, enabled: false })
  const early = await addPolicy(inbox, policy, { position: 7, conditions: { channel_kind: ['generic'] } })
  await inbox.deliver(channel, [message('m-2', '09:10:00', { thread_key: 't-2', author: 'ben' })], at('09:10:01'))
  const [first, second] = await inbox.everything('sla_clocks')
  has(t, first, { policy_id: policy.id, due_at: at('10:00:00') }, 'what came before is under the policy of then')
  has(t, second, { policy_id: early.id, due_at: at('09:20:00') })
  t.not(second!.policy_id, late.id)
})

t.test('priority change: start and pause stay, target changes, due is recomputed', async t => {
  const target = { seconds: 7200, by_priority: { urgent: 3600 } }
  const { clocks, change, inbox, conversation } = await asked({ first_response: target, resolution: target })
  await change({ status: 'pending' }, '09:10:00')
  await change({ status: 'open' }, '09:40:00')
  await change({ priority: 'urgent' }, '09:45:00')
  const [first, resolution] = await clocks()
  has(t, first, { started_at: at('09:00:00'), target_seconds: 3600, due_at: at('10:00:00'), priority: 'urgent' })
  has(t, resolution, { started_at: at('09:00:00'), due_at: at('10:30:00'), paused_ms: HOUR / 2, cause: 'retargeted' })
  has(t, await conversation(), { next_due_at: at('10:00:00') })
  await change({ priority: 'low' }, '09:50:00')
  has(t, (await clocks())[0], { target_seconds: 7200, due_at: at('11:00:00') })
  t.equal((await told(inbox, 'sla.retargeted')).length, 4)
})

t.test(
  'if that is already past, it breaches now with reason retargeted: nobody is blamed for the time before',
  async t => {
    const { clocks, change, inbox } = await asked({ first_response: { seconds: 7200, by_priority: { urgent: 600 } } })
    await change({ priority: 'urgent' }, '09:30:00')
    has(t, (await clocks())[0], { due_at: at('09:30:00'), cause: 'retargeted', breached_at: null })
    await inbox.run(trx => breachClocks(trx, at('09:30:01'), 10))
    has(t, (await clocks())[0], { due_at: at('09:30:00'), breached_at: at('09:30:00') })
  },
)

t.test('a recorded breach stays, and so does one that no tick had seen before the target was changed', async t => {
  const target = { first_response: { seconds: 600, by_priority: { low: 36_000 } } }
  const [seen, unseen] = [await asked(target), await asked(target)]
  await seen.inbox.run(trx => breachClocks(trx, at('09:10:01'), 10))
  for (const { change, clocks, inbox } of [seen, unseen]) {
    await change({ priority: 'low' }, '09:20:00')
    has(t, (await clocks())[0], { breached_at: at('09:10:00'), due_at: at('09:10:00'), target_seconds: 600 })
    t.equal((await told(inbox, 'sla.breached')).length, 1)
  }
})

t.test(
  'leaving a policy cancels its open clocks with the reason; entering one starts from the original start',
  async t => {
    const { inbox, policy, id, clocks } = await asked({ first_response: { seconds: 36_000 } })
    const gold = await addPolicy(inbox, policy, {
      conditions: { tag: ['Gold'] },
      targets: { first_response: { seconds: 7200 }, assignment: { seconds: 7200 } },
    })
    await inbox.run(trx => tagConversation(trx, id, 'gold', inbox.agent, at('09:30:00')))
    const [old, first, assignment] = await clocks()
    has(t, old, { state: 'cancelled', cancelled_reason: 'policy_removed', policy_id: policy.id })
    has(t, first, { state: 'running', policy_id: gold.id, started_at: at('09:00:00'), due_at: at('11:00:00') })
    has(t, first, { cause: 'policy_applied', wait_id: old!.wait_id, ordinal: old!.ordinal })
    has(t, assignment, { metric: 'assignment', started_at: at('09:00:00') })
    await inbox.run(trx => untagConversation(trx, id, 'gold', inbox.agent, at('09:40:00')))
    const states = (await clocks()).map(({ policy_id, metric, state }) => [policy_id === gold.id, metric, state])
    t.same(states, [
      [false, 'first_response', 'cancelled'],
      [true, 'first_response', 'cancelled'],
      [false, 'first_response', 'running'],
      [true, 'assignment', 'cancelled'],
    ])
  },
)

t.test('editing a policy makes a new version; open clocks keep theirs', async t => {
  const { inbox, policy, channel, change, clocks } = await asked({ first_response: { seconds: 3600 } })
  const edit = { targets: { first_response: { seconds: 60, by_priority: { urgent: 1 } } } }
  const edited = await inbox.run(trx => changePolicy(trx, policy.id, edit, 1, inbox.agent, at('09:05:00')))
  t.equal(edited.version, 2)
  await change({ priority: 'urgent' }, '09:06:00')
  await inbox.deliver(channel, [message('m-2', '09:10:00', { thread_key: 't-2' })], at('09:10:01'))
  const [old, young] = await clocks()
  has(t, old, { policy_version: 1, due_at: at('10:00:00') }, 'as it was promised then')
  has(t, young, { policy_version: 2, due_at: at('09:11:00') })
})

t.test('enabling a policy takes enforce_from; older waits do not breach in a mass', async t => {
  const { inbox, policy, id, clocks } = await asked({ first_response: { seconds: 36_000 } })
  await addPolicy(inbox, policy, { conditions: { tag: ['gold'] }, enforce_from: at('09:15:00') })
  await inbox.run(trx => tagConversation(trx, id, 'gold', inbox.agent, at('09:30:00')))
  t.same(
    (await clocks()).map(({ state }) => state),
    ['cancelled'],
  )
})

t.test('warnings are told in order before it falls due, each once, also by a worker that was away', async t => {
  const { inbox, clocks } = await asked({ first_response: { seconds: 3600, warn_before_seconds: [600, 1800, 7200] } })
  has(t, (await clocks())[0], { warnings: [1800, 600], warn_at: at('09:30:00') })
  const tick = (time: string) => inbox.run(trx => warnClocks(trx, at(time), 10))
  t.equal(await tick('09:29:59'), 0)
  await Promise.all([tick('09:30:00'), tick('09:30:00')])
  t.equal(await tick('09:30:01'), 0)
  t.equal(await tick('09:55:00'), 1)
  t.equal(await tick('09:59:00'), 0)
  const warned = await told(inbox, 'sla.warned')
  t.match(
    warned.map(({ before_seconds, warn_at }) => [before_seconds, warn_at]),
    [
      [1800, at('09:30:00').toISOString()],
      [600, at('09:50:00').toISOString()],
    ],
  )
  const away = await asked({ first_response: { seconds: 3600, warn_before_seconds: [600, 1800] } })
  await away.inbox.run(trx => warnClocks(trx, at('09:59:00'), 10))
  t.equal((await told(away.inbox, 'sla.warned')).length, 2)
})

t.test(
  'a resolution stands still while the policy says so, ends when it is resolved, and goes on when it is opened again',
  async t => {
    const { inbox, channel, change, clocks, conversation } = await asked({ resolution: { seconds: 7200 } })
    has(t, (await clocks())[0], { contact_id: null, wait_id: null, started_at: at('09:00:00'), due_at: at('11:00:00') })
    await change({ status: 'pending' }, '09:30:00')
    has(t, (await clocks())[0], { state: 'paused', paused_at: at('09:30:00'), counted_ms: HOUR / 2 })
    has(t, await conversation(), { next_due_at: null })
    t.equal(await inbox.run(trx => breachClocks(trx, at('11:30:00'), 10)), 0, 'what stands still falls due by nobody')
    await inbox.deliver(channel, [message('more', '10:00:00')], at('10:00:00'))
    has(t, (await clocks())[0], { state: 'running', paused_at: null, paused_ms: HOUR / 2, due_at: at('11:30:00') })
    await change({ status: 'resolved' }, '10:30:00')
    has(t, (await clocks())[0], { state: 'fulfilled', fulfilled_at: at('10:30:00'), breached_at: null })
    await inbox.deliver(channel, [message('again', '13:00:00')], at('13:00:00'))
    const [first, second] = await clocks()
    has(t, first, { state: 'fulfilled', ordinal: 1 }, 'the first one is kept')
    has(t, second, {
      state: 'running',
      ordinal: 2,
      started_at: at('09:00:00'),
      counted_ms: HOUR,
      due_at: at('14:00:00'),
    })
    await change({ status: 'resolved' }, '14:30:00')
    has(t, (await clocks())[1], { state: 'fulfilled', breached_at: at('14:00:00'), detected_at: at('14:30:00') })
  },
)

t.test('nobody owns it until somebody does, and again when they give it back', async t => {
  const { inbox, own, clocks, change } = await asked({ assignment: { seconds: 600 } })
  has(t, (await clocks())[0], { started_at: at('09:00:00'), due_at: at('09:10:00') })
  await own(inbox.agent.id, '09:05:00')
  has(t, (await clocks())[0], { state: 'fulfilled', fulfilled_at: at('09:05:00'), owner_id: inbox.agent.id })
  await own(null, '09:20:00')
  has(t, (await clocks())[1], { state: 'running', ordinal: 2, started_at: at('09:20:00'), due_at: at('09:30:00') })
  await change({ status: 'resolved' }, '09:25:00')
  has(t, (await clocks())[1], { state: 'cancelled', cancelled_reason: 'resolved' })
})

t.test('whatever way its owner loses it, nobody owns it from then on', async t => {
  type Ways = Record<string, (asked: Asked, now: Date) => Promise<unknown>>
  const away = { availability: 'out_of_office' as const, until: null }
  const ways: Ways = {
    'a claim that lapses': ({ inbox }, now) => inbox.run(trx => lapseClaims(trx, now, 10)),
    'out of office': ({ inbox: { run, agent } }, now) => run(trx => setAvailability(trx, agent.id, away, agent, now)),
    'a disabled person': ({ inbox: { run, agent } }, now) =>
      run(trx => changeUser(trx, agent.id, { status: 'disabled' }, agent, now)),
  }
  for (const [what, lose] of Object.entries(ways)) {
    const one = await asked({ assignment: { seconds: 600 } })
    const { inbox, id, clocks } = one
    await inbox.run(trx => claimConversation(trx, id, inbox.agent.id, inbox.agent, at('09:05:00')))
    await lose(one, at('09:20:00'))
    has(t, (await clocks())[1], { state: 'running', ordinal: 2, started_at: at('09:20:00') }, what)
    has(t, await one.conversation(), { assignee_id: null, next_due_at: at('09:30:00') }, what)
  }
  const { inbox, own, change, clocks, channel } = await asked({ assignment: { seconds: 600 } })
  await own(inbox.agent.id, '09:05:00')
  await change({ status: 'resolved' }, '09:06:00')
  await inbox.run(trx => setAvailability(trx, inbox.agent.id, away, inbox.agent, at('09:07:00')))
  await inbox.deliver(channel, [message('again', '10:00:00')], at('10:00:01'))
  has(t, (await clocks())[1], { state: 'running', started_at: at('10:00:01') }, 'opened again while they are away')
})

t.test('each team that gets it has a clock of its own, and none of that is the customer’s', async t => {
  const { inbox, id, own, clocks } = await asked({
    first_response: { seconds: 3600 },
    team_ownership: { seconds: 600 },
  })
  const before = (await clocks('first_response'))[0]!
  const [one, two] = await inbox.run(async trx => {
    const teams = []
    for (const name of ['One', 'Two']) {
      const team = { id: randomUUID(), name, created_at: CONNECTED }
      await insertTeam(trx, team)
      await insertTeamMember(trx, team.id, inbox.agent.id, CONNECTED)
      teams.push(team.id)
    }
    return teams
  })
  const give = (from: string | null, to: string | null, time: string) =>
    inbox.run(trx => changeConversationTeam(trx, id, { from, to }, inbox.agent, at(time)))
  await give(null, one!, '09:10:00')
  await give(one!, two!, '09:30:00')
  await own(inbox.agent.id, '09:31:00')
  await give(two!, null, '09:35:00')
  const [first, second] = await clocks('team_ownership')
  has(t, first, { state: 'fulfilled', team_id: one, started_at: at('09:10:00'), breached_at: at('09:20:00') })
  has(t, second, { state: 'fulfilled', team_id: two, started_at: at('09:30:00'), breached_at: null })
  t.same((await clocks('first_response'))[0], before, 'reassigning never touches a customer’s clock')
})

t.test('snooze pauses no response clock, and no other unless the policy says so', async t => {
  const { change, clocks } = await asked({
    first_response: { seconds: 3600 },
    resolution: { seconds: 3600 },
    team_ownership: { seconds: 3600, pauses_in: ['snoozed'] },
  })
  await change({ status: 'snoozed', snoozed_until: at('12:00:00') }, '09:10:00')
  t.same(
    (await clocks()).map(({ metric, state }) => [metric, state]),
    [
      ['first_response', 'running'],
      ['resolution', 'running'],
    ],
  )
  const policies = await asked({ resolution: { seconds: 3600, pauses_in: ['snoozed'] } })
  await policies.change({ status: 'snoozed', snoozed_until: at('12:00:00') }, '09:10:00')
  has(t, (await policies.clocks())[0], { state: 'paused' })
})

t.test('resolution: cancelled by spam and merge, and so is all that a conversation was promised', async t => {
  const { inbox, channel, clocks, change, conversation } = await asked({ resolution: { seconds: 3600 } })
  await change({ status: 'spam' }, '09:10:00')
  has(t, (await clocks())[0], { state: 'cancelled', cancelled_reason: 'spam' })
  await change({ status: 'open' }, '09:20:00')
  has(t, (await clocks())[1], { state: 'running', started_at: at('09:00:00') }, 'as if it had never been spam')
  const into = await conversation()
  await inbox.deliver(channel, [message('m-2', '09:30:00', { thread_key: 't-2' })], at('09:30:01'))
  const from = (await inbox.everything('conversations')).find(row => row.id !== into.id)!
  const versions = { into_version: into.version, from_version: from.version }
  await inbox.run(trx =>
    mergeConversations(trx, { into_id: into.id, from_id: from.id, ...versions }, inbox.agent, at('09:40:00')),
  )
  const states = (await clocks()).map((clock: SlaClock) => [clock.conversation_id === into.id, clock.cancelled_reason])
  t.same(states, [
    [true, 'spam'],
    [false, 'merged'],
    [true, null],
  ])
})

t.test('history imports never start clocks; nor does what we begin ourselves', async t => {
  const inbox = await openInbox()
  await inbox.promise({ targets: { resolution: { seconds: 3600 }, assignment: { seconds: 60 } } })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('old', '08:30:00')], at('09:00:00'), 'backfill')
  await inbox.deliver(channel, [message('ours', '09:00:00', { thread_key: 't-2', from_us: true })], at('09:00:00'))
  t.same(await inbox.everything('sla_clocks'), [])
  await inbox.deliver(channel, [message('answer', '09:30:00', { thread_key: 't-2' })], at('09:30:00'))
  const resolution = (await inbox.everything('sla_clocks')).find(({ metric }) => metric === 'resolution')
  t.same(resolution?.started_at, at('09:30:00'), 'the customer’s first answer does')
})

t.test(
  'recalculate moves them on purpose: a scope, a dry run with counts (changed, would breach), then the run',
  async t => {
    const { inbox, policy, channel, clocks } = await asked({
      first_response: { seconds: 7200 },
      resolution: { seconds: 7200 },
    })
    await inbox.deliver(channel, [message('m-2', '09:00:00', { thread_key: 't-2', author: 'ben' })], at('09:00:01'))
    await inbox.run(trx => breachClocks(trx, at('09:00:00'), 10))
    const edit = { targets: { first_response: { seconds: 600 }, resolution: { seconds: 36_000 } } }
    await inbox.run(trx => changePolicy(trx, policy.id, edit, 1, inbox.agent, at('09:05:00')))
    const recalculate = (dry_run: boolean, limit = 1) =>
      inbox.run(async trx => {
        const total = { looked_at: 0, changed: 0, breaching: 0 }
        for (let after: string | null = null; ; ) {
          const part = await recalculateClocks(trx, {}, { after, limit, dry_run }, inbox.agent, at('09:30:00'))
          for (const count of ['looked_at', 'changed', 'breaching'] as const) total[count] += part[count]
          after = part.after
          if (!after) return total
        }
      })
    const before = await inbox.everything('sla_clocks')
    t.same(await recalculate(true), { looked_at: 4, changed: 4, breaching: 2 })
    t.same(await inbox.everything('sla_clocks'), before, 'nothing is written')
    t.same(await recalculate(false), { looked_at: 4, changed: 4, breaching: 2 })
    const [first, second] = await clocks('first_response')
    for (const clock of [first, second])
      has(t, clock, { policy_version: 2, due_at: at('09:30:00'), cause: 'recalculated', started_at: at('09:00:00') })
    has(t, (await clocks('resolution'))[0], { due_at: at('19:00:00'), target_seconds: 36_000 })
    t.same(await recalculate(false), { looked_at: 4, changed: 0, breaching: 0 }, 'twice is the same as once')
    t.equal((await told(inbox, 'sla.recalculated')).length, 4)
  },
)
