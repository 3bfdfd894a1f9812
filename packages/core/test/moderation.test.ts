import {
  breachClocks,
  changeConversation,
  changePolicy,
  clearFlag,
  explainClocks,
  finishAction,
  flagMessage,
  mergeConversations,
  queueAction,
  recalculateClocks,
  splitConversation,
  takeActionTask,
  warnClocks,
} from '@parley/core'
import { listAtRisk, listBreaches, takeConversationNumbers } from '@parley/db'
import type { SlaTargets } from '@parley/domain'
import { capabilities, has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, deletion, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const EVERYTHING = { inbox_ids: null }
const MODERATION = { moderation: { seconds: 3600, warn_before_seconds: [600] } }

/** Ana insults at nine, in an inbox that promises to deal with what is flagged within the hour. */
async function insulted(targets: SlaTargets = MODERATION) {
  const inbox = await openInbox()
  const policy = await inbox.promise({ first: null, next: null, targets })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const { id: message_id, conversation_id } = await inbox.only('messages')
  const flag = (time: string, id = message_id) =>
    inbox.run(trx => flagMessage(trx, id, 'Insults', inbox.agent, at(time)))
  const clear = (time: string, id = message_id) => inbox.run(trx => clearFlag(trx, id, inbox.agent, at(time)))
  /** Asks for it, and has the network take it at that time and tell us then, or later. */
  const act = async (verb: 'hide' | 'unhide', time: string, told = time) => {
    const draft = { conversation_id: await placeOf(), message_id, verb, actor: inbox.agent }
    const able = () => capabilities({ actions: ['hide', 'unhide'] })
    const action = await inbox.run(trx => queueAction(trx, draft, able, at(time)))
    const task = await inbox.run(trx => takeActionTask(trx, action.id, at(time)))
    if (task.task !== 'act') throw new Error(task.reason)
    const sent = { outcome: 'sent' as const, accepted_at: at(time) }
    await inbox.run(trx => finishAction(trx, task.attempt, sent, at(told), 0))
  }
  const placeOf = async () => (await inbox.everything('messages')).find(row => row.id === message_id)!.conversation_id
  const clock = () => inbox.only('sla_clocks')
  const tick = (time: string) => inbox.run(trx => breachClocks(trx, at(time), 100))
  return { inbox, policy, channel, message_id, conversation_id, flag, clear, act, clock, tick }
}
type Insulted = Awaited<ReturnType<typeof insulted>>

t.test('moderation starts when an item is flagged, whoever waits', async t => {
  const { inbox, flag, clock, message_id, conversation_id } = await insulted()
  t.same(await inbox.everything('sla_clocks'), [])
  has(t, await flag('09:10:00'), {
    flagged_at: at('09:10:00'),
    flagged_reason: 'Insults',
    flagged_by_id: inbox.agent.id,
  })
  has(t, await clock(), { metric: 'moderation', state: 'running', started_at: at('09:10:00'), due_at: at('10:10:00') })
  has(t, await clock(), { message_id, contact_id: null, wait_id: null, ordinal: 1 })
  has(t, await inbox.only('conversations'), { next_due_at: at('10:10:00'), waiting_since: at('09:00:00') })
  const before = await inbox.log()
  has(t, await flag('09:20:00'), { flagged_at: at('09:10:00') }, 'twice is once')
  t.same(await inbox.log(), before)
  const [risk] = await inbox.run(trx => listAtRisk(trx, EVERYTHING, {}, at('09:30:00'), { limit: 10 }))
  has(t, risk, { metric: 'moderation', message_id, conversation: { id: conversation_id } })
})

t.test('moderation is fulfilled when it is hidden, deleted or cleared', async t => {
  const ends: [string, (all: Insulted) => Promise<unknown>][] = [
    ['hidden', ({ act }) => act('hide', '09:30:00')],
    ['deleted', ({ inbox, channel }) => inbox.deliver(channel, [deletion('m-1', '09:30:00')], at('09:30:00'))],
    ['cleared', ({ clear }) => clear('09:30:00')],
  ]
  for (const [outcome, end] of ends) {
    const all = await insulted()
    const { inbox, flag, clock } = all
    await flag('09:10:00')
    await end(all)
    has(t, await clock(), { state: 'fulfilled', fulfilled_at: at('09:30:00'), breached_at: null }, outcome)
    has(t, await inbox.only('messages'), { flagged_at: null, flagged_reason: null, flagged_by_type: null })
    has(t, await inbox.only('conversations'), { next_due_at: null })
    const events = await inbox.run(trx => trx.selectFrom('events').selectAll().execute())
    const ended = events.filter(({ type }) => type === 'message.flag_cleared')
    t.match(ended, [{ data: { outcome }, previous: { reason: 'Insults' } }])
    t.equal(ended.length, 1)
  }
})

t.test('nothing else ends it: not an answer, resolving, snoozing, spam, dismissing; and it never pauses', async t => {
  const { inbox, conversation_id, flag, clock } = await insulted()
  await flag('09:10:00')
  await inbox.send(await inbox.reply(conversation_id, at('09:15:00')), at('09:15:01'))
  const states = [
    ['resolved', '09:20:00'],
    ['open', '09:21:00'],
    ['pending', '09:22:00'],
    ['spam', '09:30:00'],
  ] as const
  for (const [status, time] of states) {
    const { version } = await inbox.only('conversations')
    await inbox.run(trx => changeConversation(trx, conversation_id, { status }, version, inbox.agent, at(time)))
    has(t, await clock(), { state: 'running', due_at: at('10:10:00'), paused_ms: 0 }, status)
  }
})

t.test('breached_at = due_at, and fulfilled late is both; in time is what the network did in time', async t => {
  const late = await insulted()
  await late.flag('09:00:00')
  await late.act('hide', '10:00:01')
  has(t, await late.clock(), { state: 'fulfilled', breached_at: at('10:00:00'), detected_at: at('10:00:01') })
  t.equal((await late.inbox.log()).filter(type => type === 'sla.breached').length, 1)

  const inTime = await insulted()
  await inTime.flag('09:00:00')
  await inTime.tick('10:00:01')
  has(t, await inTime.clock(), { breached_at: at('10:00:00') })
  const [breach] = await inTime.inbox.run(trx =>
    listBreaches(trx, EVERYTHING, { from: at('00:00:00'), to: at('23:00:00') }, { limit: 10 }),
  )
  has(t, breach, { metric: 'moderation', message_id: inTime.message_id })
  await inTime.inbox.deliver(inTime.channel, [deletion('m-1', '10:00:00')], at('10:05:00'))
  has(t, await inTime.clock(), { state: 'fulfilled', fulfilled_at: at('10:00:00'), breached_at: null })
})

t.test('what is hidden or deleted, or no customer wrote, cannot be flagged', async t => {
  const { inbox, channel, conversation_id, flag, act } = await insulted()
  const reply = await inbox.reply(conversation_id, at('09:05:00'))
  await inbox.send(reply, at('09:05:01'))
  await t.rejects(flag('09:10:00', reply.id), { code: 'conflict' })
  await act('hide', '09:11:00')
  await t.rejects(flag('09:12:00'), { code: 'conflict' })
  await act('unhide', '09:13:00')
  await inbox.deliver(channel, [deletion('m-1', '09:14:00')], at('09:14:00'))
  await t.rejects(flag('09:15:00'), { code: 'conflict' })
  t.same(await inbox.everything('sla_clocks'), [])
})

t.test('it warns, explains itself, follows the priority and moves to another version on purpose', async t => {
  const { inbox, conversation_id, flag, clock, policy } = await insulted({
    moderation: { ...MODERATION.moderation, by_priority: { urgent: 1800 } },
  })
  await flag('09:10:00')
  const { version } = await inbox.only('conversations')
  const urgent = { priority: 'urgent' as const }
  await inbox.run(trx => changeConversation(trx, conversation_id, urgent, version, inbox.agent, at('09:15:00')))
  has(t, await clock(), { due_at: at('09:40:00'), cause: 'retargeted' })
  t.equal(await inbox.run(trx => warnClocks(trx, at('09:30:00'), 10)), 1)
  const [explained] = await inbox.run(trx => explainClocks(trx, conversation_id, at('09:31:00')))
  t.match(
    explained?.explanation.text.join(' '),
    /a message was flagged.*promises that it is hidden, deleted or cleared within 30 min/,
  )
  const targets = { moderation: { seconds: 7200 } }
  await inbox.run(trx => changePolicy(trx, policy.id, { targets }, 1, inbox.agent, at('09:32:00')))
  const scope = { metric: ['moderation' as const] }
  const page = { after: null, limit: 10, dry_run: false }
  const moved = await inbox.run(trx => recalculateClocks(trx, scope, page, inbox.agent, at('09:33:00')))
  has(t, moved, { looked_at: 1, changed: 1 })
  has(t, await clock(), { policy_version: 2, due_at: at('11:10:00'), state: 'running' })
})

t.test('Merge and split: a clock of a message goes where that goes', async t => {
  const { inbox, channel, flag, clock, clear, conversation_id, message_id } = await insulted()
  await inbox.deliver(channel, [message('n-1', '09:01:00', { thread_key: 't-2', author: 'ben' })], at('09:01:01'))
  await flag('09:10:00')
  const other = (await inbox.everything('conversations')).find(({ id }) => id !== conversation_id)!
  // The numbers before are given out by the inbox of the tests.
  await inbox.run(trx => takeConversationNumbers(trx, 100))
  const merge = { into_id: other.id, into_version: other.version, from_id: conversation_id }
  await inbox.run(trx => mergeConversations(trx, merge, inbox.agent, at('09:20:00')))
  has(t, await clock(), { conversation_id: other.id, state: 'running' })
  const into = (await inbox.everything('conversations')).find(({ id }) => id === other.id)!
  has(t, into, { next_due_at: at('10:10:00') })
  const split = { message_ids: [message_id], with_replies: true }
  const apart = await inbox.run(trx =>
    splitConversation(trx, other.id, split, into.version, inbox.agent, at('09:25:00')),
  )
  has(t, await clock(), { conversation_id: apart, state: 'running' })
  const rows = await inbox.everything('conversations')
  has(t, rows.find(({ id }) => id === apart)!, { next_due_at: at('10:10:00') })
  has(t, rows.find(({ id }) => id === other.id)!, { next_due_at: null })
  await clear('09:30:00')
  has(t, await clock(), { state: 'fulfilled' })
})

const step = fc.oneof(
  fc.constantFrom(
    'flag' as const,
    'flag' as const,
    'clear' as const,
    'tick' as const,
    'hide' as const,
    'unhide' as const,
  ),
  fc.constant('delete' as const),
)

t.test(
  'whatever becomes of a message, each step once or twice: it is flagged while its one clock runs, and only then',
  async t => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(step, fc.boolean(), fc.integer({ min: 1, max: 40 })), { maxLength: 10 }),
        async steps => {
          const all = await insulted()
          const { inbox, channel } = all
          let minutes = 0
          for (const [one, twice, later] of steps) {
            minutes += later
            const time = `${String(9 + Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}:30`
            const take = async () => {
              if (one === 'flag') return all.flag(time).catch(error => t.equal(error.code, 'conflict'))
              if (one === 'clear') return all.clear(time)
              if (one === 'tick') return all.tick(time)
              // What the network took some minutes ago.
              if (one === 'delete') return inbox.deliver(channel, [deletion('m-1', '09:25:00')], at(time))
              return all.act(one, time).catch(error => t.match(error, { code: 'action_refused' }))
            }
            await take()
            const state = async () => [await inbox.everything('messages'), await inbox.everything('sla_clocks')]
            const before = JSON.stringify(await state())
            if (twice && one !== 'hide' && one !== 'unhide') {
              await take()
              if (JSON.stringify(await state()) !== before) throw new Error(`${one} twice is not once`)
            }
            const [said] = await inbox.everything('messages')
            const clocks = await inbox.everything('sla_clocks')
            const running = clocks.filter(clock => clock.state === 'running')
            if (running.length !== (said!.flagged_at ? 1 : 0)) throw new Error(`${running.length} run`)
            const [conversation] = await inbox.everything('conversations')
            if (conversation!.next_due_at?.getTime() !== running[0]?.due_at.getTime()) throw new Error('next_due_at')
            for (const { state, breached_at, due_at, fulfilled_at, started_at } of clocks) {
              if (state === 'fulfilled' && (breached_at !== null) !== fulfilled_at! > due_at) throw new Error('late')
              if (fulfilled_at && fulfilled_at < started_at) throw new Error('ended before it began')
            }
          }
        },
      ),
      { numRuns: 40 },
    )
  },
)
