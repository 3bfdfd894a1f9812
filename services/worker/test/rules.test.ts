import {
  beginErasure,
  changeContact,
  changeConversation,
  changeDismissalReasons,
  createAttribute,
  createRule,
  createTag,
  dismissMessage,
  undismissMessage,
} from '@parley/core'
import {
  appendEvents,
  type Conversation,
  insertInbox,
  listActionsToAttempt,
  listFeedStates,
  newId,
  updateConversation,
} from '@parley/db'
import { type ConversationAction, type RuleCondition, SYSTEM } from '@parley/domain'
import { capabilities, has, until } from '@parley/testing'
import t, { type Test } from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { eraseContacts } from '../src/processors/erasures.ts'
import { send } from '../src/processors/send.ts'
import { slaTick } from '../src/processors/sla.ts'
import { levelWithLog } from './level.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'
import { promise } from './promise.ts'

const RULES = FEED_CONSUMERS.filter(({ name }) => name === 'rules')

type Given = {
  triggers?: string[]
  conditions?: RuleCondition
  actions: ConversationAction[]
  stop?: boolean
  position?: number
  inbox_ids?: string[]
}

async function setUp(t: Test) {
  const connector = fakeConnector({
    capabilities: () => capabilities({ actions: ['hide', 'unhide', 'like'] }),
    act: async () => ({ outcome: 'sent', accepted_at: worker.clock.now }),
  })
  const worker = await openWorker(t, connector)
  const { ctx, run, clock, workspace_id } = worker
  const channel = await worker.addChannel()
  const feeds = new Feeds(ctx, RULES)
  t.teardown(() => feeds.close())
  const actor = {
    type: 'user' as const,
    id: (await run(trx => trx.selectFrom('users').select('id').executeTakeFirstOrThrow())).id,
  }
  const level = () => levelWithLog(feeds, worker, 'rules')
  let rules = 0
  const rule = ({ triggers = ['message.received'], conditions = {}, stop = false, ...given }: Given) => {
    rules += 1
    const draft = {
      name: `Rule ${rules}`,
      position: rules,
      enabled: true,
      inbox_ids: null,
      ...given,
      triggers,
      conditions,
      stop,
    }
    const reach = { role: 'admin' as const, inbox_ids: null }
    return run(trx => createRule(trx, draft, { actor, reach }, clock.now))
  }
  const receive = async (...payloads: unknown[]) => {
    await worker.accept(channel, payloads)
    await drain(ctx, { workspace_id, channel_id: channel.id })
    await level()
  }
  const log = (type: string) =>
    run(trx => trx.selectFrom('events').selectAll().where('type', '=', type).orderBy('xact').orderBy('seq').execute())
  const conversation = () => run(trx => trx.selectFrom('conversations').selectAll().executeTakeFirstOrThrow())
  const message = () =>
    run(trx => trx.selectFrom('messages').selectAll().where('direction', '=', 'inbound').executeTakeFirstOrThrow())
  const actions = () => run(trx => trx.selectFrom('message_actions').selectAll().orderBy('created_at').execute())
  const health = (id: string) =>
    run(trx => trx.selectFrom('rules').selectAll().where('id', '=', id).executeTakeFirstOrThrow())
  await level()
  return { ...worker, message, actions, health, channel, rule, receive, level, log, conversation, actor }
}

const high: ConversationAction = { type: 'set_priority', priority: 'high' }
const urgent: ConversationAction = { type: 'set_priority', priority: 'urgent' }

t.test('a rule that matches does what it says, under its own name', async t => {
  const world = await setUp(t)
  const rule = await world.rule({ conditions: { text_has_words: ['REFUND'] }, actions: [high] })
  await world.receive(comment('m-1', { text: 'I want a refund!' }))
  t.equal((await world.conversation()).priority, 'high')
  const [applied] = await world.log('rule.applied')
  t.match(applied, {
    actor_type: 'rule',
    actor_id: rule.id,
    data: { rule_id: rule.id, version: 1, depth: 1, actions: [{ type: 'set_priority', result: 'changed' }] },
  })
  const [changed] = await world.log('conversation.updated')
  t.match(changed, { actor_type: 'rule', actor_id: rule.id, data: { priority: 'high' } })
})

t.test(
  'all rules that match are applied in their order, each sees what the one before did, until one says stop',
  async t => {
    const world = await setUp(t)
    await world.rule({ actions: [high] })
    await world.rule({
      conditions: { priority: ['high'] },
      actions: [{ type: 'add_note', body: 'Was {{ contact.name }}.' }],
      stop: true,
    })
    await world.rule({ actions: [urgent] })
    await world.receive(comment('m-1'))
    t.equal((await world.conversation()).priority, 'high')
    t.equal((await world.log('rule.applied')).length, 2)
    const [note] = await world.run(trx => trx.selectFrom('messages').selectAll().where('kind', '=', 'note').execute())
    t.match(note, { author_type: 'rule', body: 'Was ana.' })
  },
)

t.test('rules act on warnings and on breaches', async t => {
  const world = await setUp(t)
  const { actor, clock, run } = world
  await promise(world, { first_response: { seconds: 600, warn_before_seconds: [60] } })
  await run(trx => createTag(trx, { name: 'Late', color: null }, actor, clock.now))
  await world.rule({ triggers: ['sla.warned'], actions: [{ type: 'assign', assignee_id: actor.id }] })
  await world.rule({ triggers: ['sla.breached'], actions: [{ type: 'add_tag', tag: 'Late' }, urgent] })
  await world.receive(comment('m-1'))
  const tick = async (time: string) => {
    clock.now = at(time)
    await slaTick(world.ctx)()
    await world.level()
  }
  await tick('09:08:59')
  has(t, await world.conversation(), { assignee_id: null, priority: 'normal' })
  await tick('09:09:00')
  has(t, await world.conversation(), { assignee_id: actor.id, priority: 'normal' })
  await tick('09:10:01')
  has(t, await world.conversation(), { assignee_id: actor.id, priority: 'urgent' })
  t.equal((await world.log('conversation.tagged')).length, 1)
  const [breached] = await world.log('sla.breached')
  has(t, breached!.data as { assignee_id: string }, { assignee_id: actor.id })
})

t.test('a rule flags the message of an event, once, and others wait for that', async t => {
  const world = await setUp(t)
  await promise(world, { moderation: { seconds: 600 } })
  const conditions = { text_has_words: ['idiots'] }
  const rule = await world.rule({ conditions, actions: [{ type: 'flag', reason: 'Insults' }] })
  await world.rule({ conditions, actions: [{ type: 'flag', reason: 'Again' }] })
  await world.rule({ triggers: ['message.flagged'], actions: [urgent] })
  await world.receive(comment('m-1', { text: 'You idiots' }), comment('m-2', { text: 'Thanks', thread_key: 't-2' }))
  const flagged = (await world.messages()).filter(({ flagged_at }) => flagged_at)
  t.equal(flagged.length, 1)
  has(t, flagged[0], { external_id: 'm-1', flagged_reason: 'Insults', flagged_by_type: 'rule', flagged_by_id: rule.id })
  const clocks = await world.run(trx => trx.selectFrom('sla_clocks').selectAll().execute())
  has(t, clocks, [{ metric: 'moderation', message_id: flagged[0]!.id }])
  const results = (await world.log('rule.applied')).map(({ data }) => (data as { actions: unknown[] }).actions)
  t.match(results, [[{ result: 'changed' }], [{ type: 'flag', result: 'unchanged' }], [{ type: 'set_priority' }]])
})

t.test('history fires no rule', async t => {
  const world = await setUp(t)
  await world.rule({ triggers: ['message.received', 'conversation.created'], actions: [high] })
  await world.receive(comment('m-1'))
  t.equal((await world.log('rule.applied')).length, 2, 'what is new does')
  const { id } = await world.conversation()
  const event = { type: 'message.received' as const, at: world.clock.now, actor: SYSTEM, conversation_id: id }
  await world.run(trx => appendEvents(trx, [{ ...event, data: { history: true } }]))
  await world.level()
  t.equal((await world.log('rule.applied')).length, 2)
})

t.test('two rules that set each other off end after three', async t => {
  const world = await setUp(t)
  const triggers = ['message.received', 'conversation.updated']
  await world.rule({ triggers, conditions: { priority: ['normal', 'urgent'] }, actions: [high] })
  await world.rule({ triggers: ['conversation.updated'], conditions: { priority: ['high'] }, actions: [urgent] })
  await world.receive(comment('m-1'))
  await until('the chain ends', async () => {
    await world.level()
    return (await world.log('rule.loop_stopped')).length > 0
  })
  const depths = (await world.log('rule.applied')).map(({ data }) => (data as { depth: number }).depth)
  t.same(depths, [1, 2, 3])
  t.match(await world.log('rule.loop_stopped'), [{ data: { reason: 'too_deep' } }])
})

t.test('what a rule changes never sets off the same rule', async t => {
  const world = await setUp(t)
  await world.rule({
    triggers: ['conversation.updated', 'message.received'],
    actions: [{ type: 'add_note', body: 'Again.' }, high],
  })
  await world.receive(comment('m-1'))
  await world.level()
  t.equal((await world.log('rule.applied')).length, 1)
})

t.test('a storm in one conversation is bounded', async t => {
  const world = await setUp(t)
  await world.rule({ actions: [{ type: 'add_note', body: 'Seen.' }] })
  await world.receive(...Array.from({ length: 30 }, (_, place) => comment(`m-${place}`)))
  t.equal((await world.log('rule.applied')).length, 20)
  t.match((await world.log('rule.loop_stopped'))[0], { data: { reason: 'too_many' } })
})

t.test('what is gone since is refused action by action, told at the rule, and holds up nothing', async t => {
  const world = await setUp(t)
  const gone = '00000000-0000-7000-8000-000000000000'
  const { id } = await world.rule({ actions: [{ type: 'set_team', team_id: gone }, high] })
  await world.receive(comment('m-1'))
  t.equal((await world.conversation()).priority, 'high')
  t.match(await world.log('rule.applied'), [
    { data: { actions: [{ result: 'refused', code: 'validation_failed' }, { result: 'changed' }] } },
  ])
  const read = () => world.health(id)
  const last_error = 'set_team: team_id names no team that works in this inbox.'
  t.match(await read(), { last_error, failing_since: world.clock.now, version: 1 })
  await world.run(trx =>
    trx
      .updateTable('rules')
      .set({ actions: JSON.stringify([high]) })
      .execute(),
  )
  await world.receive(comment('m-2'))
  t.match(await read(), { last_error: null, failing_since: null })
})

t.test('a page that is interrupted and read again leaves nothing doubled', async t => {
  const world = await setUp(t)
  await world.run(trx => createTag(trx, { name: 'Seen', color: null }, world.actor, world.clock.now))
  await world.rule({
    actions: [
      { type: 'add_note', body: 'Once.' },
      { type: 'add_tag', tag: 'seen' },
    ],
  })
  const [consumer] = RULES
  let deaths = 0
  const dying = {
    ...consumer!,
    handle: async (...given: Parameters<(typeof consumer & {})['handle']>) => {
      const after = await consumer!.handle(...given)
      deaths += 1
      // As when the connection goes after the work and before the commit: nobody's fault, and read again.
      if (deaths <= 3) throw Object.assign(new Error('gone'), { code: 'ECONNRESET' })
      return after
    },
  }
  const feeds = new Feeds(world.ctx, [dying])
  t.teardown(() => feeds.close())
  await world.accept(world.channel, [comment('m-1'), comment('m-2', { thread_key: 't-2' })])
  await drain(world.ctx, { workspace_id: world.workspace_id, channel_id: world.channel.id })
  await until('it was read in the end', async () => {
    await feeds.sweep()
    await feeds.tick()
    return deaths > 3 && (await world.run(listFeedStates))[0]?.unread.count === 0
  })
  t.equal((await world.log('rule.applied')).length, 2)
  t.equal((await world.log('note.created')).length, 2)
  t.equal((await world.log('conversation.tagged')).length, 2)
})

t.test('an attribute that changes sets off what waits for it, with the attributes of the person beside', async t => {
  const world = await setUp(t)
  const { run, actor, clock } = world
  for (const [key, type, applies_to] of [
    ['orders', 'number', 'conversation'],
    ['note', 'text', 'conversation'],
    ['city', 'text', 'contact'],
  ] as const)
    await run(trx => createAttribute(trx, { key, label: key, applies_to, type }, actor, clock.now))
  await world.rule({
    triggers: ['conversation.updated'],
    conditions: {
      changed: ['attributes.orders'],
      attributes: { orders: { at_least: 3 } },
      contact_attributes: { city: ['Porto', 'Lisboa'] },
    },
    actions: [high],
  })
  await world.receive(comment('m-1'))
  const set = async (attributes: Record<string, string | number>) => {
    const { id, version } = await world.conversation()
    await run(trx => changeConversation(trx, id, { attributes }, version, actor, clock.now))
    await world.level()
    return (await world.log('rule.applied')).length
  }
  t.equal(await set({ orders: 5 }), 0, 'nothing is known of the city')
  const { contact_id } = await world.conversation()
  await run(trx => changeContact(trx, contact_id!, { attributes: { city: 'Porto' } }, 1, actor, clock.now))
  t.equal(await set({ orders: 2 }), 0)
  t.equal(await set({ note: 'x' }), 0, 'another attribute')
  t.equal(await set({ orders: 3 }), 1)
  t.equal((await world.conversation()).priority, 'high')
})

const thanks: ConversationAction = { type: 'dismiss', reason: 'Only thanks', as: 'no_reply_needed' }

t.test('a rule that dismisses a message lets nobody wait for an answer to it, and the next rule sees that', async t => {
  const world = await setUp(t)
  const { id } = await world.rule({ conditions: { text_has_words: ['thanks'] }, actions: [thanks] })
  await world.rule({ conditions: { disposition: ['no_reply_needed'] }, actions: [{ ...high, priority: 'low' }] })
  await world.receive(comment('m-1', { text: 'Thanks!' }))
  has(t, await world.message(), {
    ...{ dismissed_reason: 'Only thanks', dismissed_as: 'no_reply_needed', disposition: 'no_reply_needed' },
    ...{ dismissed_by_type: 'rule', dismissed_by_id: id },
  })
  has(t, await world.conversation(), { waiting_since: null, priority: 'low' })
  const [dismissed] = await world.log('message.dismissed')
  t.match(dismissed, { actor_type: 'rule', actor_id: id, data: { reason: 'Only thanks' } })
  t.equal((await world.log('sla.cancelled')).length, (await world.log('sla.started')).length)
  t.equal((await world.log('rule.applied')).length, 2)
})

t.test('a message is hidden once, however many rules say so, and its worker is told after the commit', async t => {
  const world = await setUp(t)
  const { id } = await world.rule({ actions: [{ type: 'hide' }, { type: 'like' }] })
  await world.rule({ actions: [{ type: 'hide' }] })
  world.hints.length = 0
  await world.receive(comment('m-1'))
  const actions = await world.actions()
  t.match(actions, [
    { verb: 'hide', state: 'queued', actor_type: 'rule', actor_id: id },
    { verb: 'like', state: 'queued', actor_type: 'rule', actor_id: id },
  ])
  t.equal(actions.length, 2)
  t.match(
    (await world.log('rule.applied')).map(({ data }) => data),
    [{ actions: [{ result: 'changed' }, { result: 'changed' }] }, { actions: [{ type: 'hide', result: 'unchanged' }] }],
  )
  const { id: message_id } = await world.message()
  t.same(
    world.hints.filter(({ queue }) => queue === 'send').map(({ job }) => job),
    actions.map(action => ({
      ...{ workspace_id: world.workspace_id, message_id, action_id: action.id, behind: true },
    })),
  )
  const swept = await world.db.asSystem(trx => listActionsToAttempt(trx, world.clock.now, 10))
  t.ok(
    swept.every(job => job.behind),
    'the sweeper tells of them as well',
  )
  for (const { job } of world.hints.filter(({ queue }) => queue === 'send')) t.equal(await send(world.ctx)(job), 'sent')
  has(t, await world.message(), { disposition: 'hidden', hidden_at: world.clock.now })
  t.match(await world.log('message.disposition_changed'), [{ actor_type: 'rule', data: { disposition: 'hidden' } }])
})

t.test(
  'what a rule has queued is taken back when its customer is erased, and nothing of theirs is hidden later',
  async t => {
    const world = await setUp(t)
    const { run, clock, actor } = world
    await world.rule({ triggers: ['message.received', 'message.triaged'], actions: [{ type: 'hide' }] })
    await world.receive(comment('m-1'))
    const { contact_id, id: conversation_id } = await world.conversation()
    const { id: message_id } = await world.message()
    await run(trx => beginErasure(trx, contact_id!, actor, clock.now))
    await until('they are erased', async () => {
      await eraseContacts(world.ctx)()
      return (await world.log('contact.erased')).length > 0
    })
    t.match(await world.actions(), [{ state: 'cancelled', actor_type: 'rule', next_attempt_at: null }])
    const event = {
      type: 'message.triaged' as const,
      at: clock.now,
      actor: SYSTEM,
      conversation_id,
      data: { message_id },
    }
    await run(trx => appendEvents(trx, [event]))
    await world.level()
    t.equal((await world.actions()).length, 1)
    t.match((await world.log('rule.applied')).at(-1), {
      data: { actions: [{ result: 'refused', code: 'action_refused', detail: 'The message was erased.' }] },
    })
  },
)

t.test(
  'what cannot be done to a message is refused with its reason: none is there, no way, no such reason',
  async t => {
    const world = await setUp(t)
    const { id } = await world.rule({ triggers: ['conversation.created'], actions: [{ type: 'hide' }] })
    await world.receive(comment('m-1'))
    const outcomes = async () =>
      (await world.log('rule.applied')).map(({ data }) => (data as { actions: unknown[] }).actions)
    t.same(await outcomes(), [
      [{ type: 'hide', result: 'refused', code: 'action_refused', detail: 'What happened is about no message.' }],
    ])
    t.equal((await world.health(id)).last_error, 'hide: What happened is about no message.')

    const dismisses = await world.rule({ actions: [thanks, high] })
    await world.run(trx => changeDismissalReasons(trx, ['Talks to others'], world.actor, world.clock.now))
    await world.receive(comment('m-2'))
    t.match((await outcomes()).at(-1), [{ code: 'validation_failed' }, { result: 'changed' }])
    t.match((await world.health(dismisses.id)).last_error, /^dismiss: reason has to be one of: Talks to others/)
    t.equal((await world.actions()).length, 0)
  },
)

/** Comments on a post, each in a thread of its own, the first one written first; and what tells that the post surges. */
async function onAPost(t: Test, count: number) {
  const world = await setUp(t)
  const { run, clock, channel } = world
  const said = (key: string, fields: Record<string, unknown> = {}) =>
    comment(key, { thread_key: `t-${key}`, post: { external_id: 'p-1' }, ...fields })
  const times = Array.from({ length: count }, (_, place) => new Date(at('08:30:00').getTime() + place).toISOString())
  await world.receive(
    ...times.map((occurred_at, place) => said(`m-${place}`, { occurred_at, version_at: occurred_at })),
  )
  const conversations = await run(trx =>
    trx.selectFrom('conversations').selectAll().where('post_id', 'is not', null).orderBy('waiting_since').execute(),
  )
  const post_id = conversations[0]!.post_id!
  const surge = async () => {
    const surging_until = new Date(clock.now.getTime() + 600_000)
    await run(trx => trx.updateTable('posts').set({ surging_until }).where('id', '=', post_id).execute())
    const data = { post_id, channel_id: channel.id }
    await run(trx => appendEvents(trx, [{ type: 'post.surging', at: clock.now, actor: SYSTEM, data }]))
    await world.level()
  }
  const appliedTo = async () => (await world.log('rule.applied')).map(({ conversation_id }) => conversation_id)
  return { ...world, said, surge, appliedTo, conversations, ids: conversations.map(({ id }) => id) }
}

t.test(
  'a surge applies a rule to what is open on the post, longest waiting first, and what comes later asks for it',
  async t => {
    const world = await onAPost(t, 5)
    const { run, ids, inbox_id } = world
    const elsewhere = (
      await run(trx => insertInbox(trx, { id: newId(world.clock.now), name: 'Press', created_at: world.clock.now }))
    ).id
    await world.receive(comment('other', { thread_key: 'other' }))
    const set = (id: string, change: Partial<Conversation>) => run(trx => updateConversation(trx, id, change))
    await set(ids[1]!, { status: 'resolved' })
    await set(ids[2]!, { waiting_since: null })
    await set(ids[3]!, { inbox_id: elsewhere })
    const { id } = await world.rule({
      triggers: ['post.surging'],
      conditions: { post_surging: true },
      inbox_ids: [inbox_id],
      actions: [urgent, { type: 'hide' }],
    })
    await world.rule({
      triggers: ['post.surging'],
      conditions: { priority: ['urgent'] },
      actions: [{ type: 'add_note', body: 'A storm.' }],
    })
    await world.rule({ conditions: { post_surging: true }, actions: [high] })
    await world.surge()
    const applied = (await world.log('rule.applied')).filter(({ actor_id }) => actor_id === id)
    t.same(
      applied.map(({ conversation_id }) => conversation_id),
      [ids[0], ids[4], ids[2]],
    )
    const surging = (await world.log('post.surging'))[0]!
    const refused = { result: 'refused', code: 'action_refused', detail: 'What happened is about no message.' }
    for (const { data } of applied)
      t.match(data, { event_id: surging.id, event_type: 'post.surging', actions: [{ result: 'changed' }, refused] })
    t.equal((await world.log('note.created')).length, 3, 'the next rule saw what the first one did')
    t.equal((await world.log('rule.applied')).length, 6)

    await world.receive(world.said('late'), comment('elsewhere', { thread_key: 'elsewhere' }))
    t.equal((await world.log('rule.applied')).length, 7)
    t.match(
      await run(trx => trx.selectFrom('conversations').select('thread_key').where('priority', '=', 'high').execute()),
      [{ thread_key: 't-late' }],
    )
    world.clock.now = new Date(world.clock.now.getTime() + 600_001)
    await world.receive(world.said('later'))
    t.equal((await world.log('rule.applied')).length, 7, 'it is over')
  },
)

t.test('of a surge with many conversations the 200 are met that have waited longest', async t => {
  const world = await onAPost(t, 205)
  await world.rule({ triggers: ['post.surging'], actions: [urgent] })
  const startedMs = performance.now()
  await world.surge()
  t.comment(`${Math.round(performance.now() - startedMs)} ms`)
  t.same(await world.appliedTo(), world.ids.slice(0, 200))
})

t.test('what became of a message, a snooze and what a network refuses set rules off, and history does not', async t => {
  const world = await setUp(t)
  const triggers = [
    'message.disposition_changed',
    'conversation.snoozed',
    'action.rejected',
    'reply.unknown',
    'reply.bounced',
  ]
  await world.rule({ triggers, conditions: { changed: ['disposition'], disposition: ['spam'] }, actions: [high] })
  await world.rule({
    triggers,
    conditions: { not: { changed: ['disposition'] } },
    actions: [{ type: 'add_note', body: 'Look.' }],
  })
  await world.receive(comment('m-1'))
  const { id: conversation_id } = await world.conversation()
  const { id: message_id } = await world.message()
  await world.run(trx =>
    dismissMessage(trx, { conversation_id, message_id }, { reason: 'x', as: 'spam' }, world.actor, world.clock.now),
  )
  await world.level()
  t.equal((await world.conversation()).priority, 'high')
  const told = (types: readonly ('conversation.snoozed' | 'action.rejected' | 'reply.unknown' | 'reply.bounced')[]) =>
    world.run(trx =>
      appendEvents(
        trx,
        types.map(type => ({ type, at: world.clock.now, actor: SYSTEM, conversation_id, data: { message_id } })),
      ),
    )
  await told(['conversation.snoozed', 'action.rejected', 'reply.unknown', 'reply.bounced'])
  await world.level()
  t.equal((await world.log('note.created')).length, 4)
  const applied = (await world.log('rule.applied')).length
  await world.run(trx => trx.updateTable('messages').set({ from_history: true }).execute())
  await world.run(trx => undismissMessage(trx, { conversation_id, message_id }, world.actor, world.clock.now))
  await world.level()
  t.equal((await world.log('rule.applied')).length, applied)
})
