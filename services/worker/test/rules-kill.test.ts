import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createRule, createTag } from '@parley/core'
import { listActionsToAttempt, listFeedStates, listUsers } from '@parley/db'
import type { ConversationAction } from '@parley/domain'
import { capabilities, has, OWN_LOCKS, until } from '@parley/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { send } from '../src/processors/send.ts'
import { connect } from './batch-world.ts'
import { comment, drain, fakeConnector, openWorker } from './processing.ts'

const SCRIPT = fileURLToPath(new URL('./rules-process.ts', import.meta.url))
const FOLLOWED = FEED_CONSUMERS.filter(({ name }) => name === 'rules' || name === 'notifications')

/** A process of its own that follows the log, so many events at a time; `kill` ends it at once. */
function begin(t: Test, url: string, page: number) {
  const args = ['--import=tsx', '--conditions=parley-source', SCRIPT]
  const child = spawn(process.execPath, args, {
    env: { ...process.env, DATABASE_URL: url, PAGE: String(page) },
    stdio: 'ignore',
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  return kill
}

/** Two rules for every comment: one says what it is and hides it, the other gives it to somebody, who is to be told. */
async function setUp(t: Test, count: number) {
  let calls = 0
  const connector = fakeConnector({
    capabilities: () => capabilities({ actions: ['hide'] }),
    act: async () => {
      calls += 1
      return { outcome: 'sent', accepted_at: worker.clock.now }
    },
  })
  const worker = await openWorker(t, connector)
  const { run, ctx, clock, workspace_id } = worker
  clock.now = new Date()
  const channel = await worker.addChannel()
  // Both have their place before anything happens: they begin with what comes next.
  const feeds = new Feeds(ctx, FOLLOWED)
  const unread = async () => (await run(listFeedStates)).reduce((sum, state) => sum + state.unread.count, 0)
  await until('they are level with the log', async () => {
    await feeds.sweep()
    await feeds.tick()
    return (await run(listFeedStates)).length === FOLLOWED.length && (await unread()) === 0
  })
  await feeds.close()
  const user_id = (await run(listUsers))[0]!.id
  const author = { actor: { type: 'user' as const, id: user_id }, reach: { role: 'admin' as const, inbox_ids: null } }
  await run(trx => createTag(trx, { name: 'Raid', color: null }, author.actor, clock.now))
  const rule = (position: number, actions: ConversationAction[]) => {
    const draft = { name: `Rule ${position}`, position, enabled: true, inbox_ids: null, conditions: {}, stop: false }
    return run(trx => createRule(trx, { ...draft, triggers: ['message.received'], actions }, author, clock.now))
  }
  const [first, second] = [
    await rule(1, [
      { type: 'add_tag', tag: 'Raid' },
      { type: 'dismiss', reason: 'Raid', as: 'spam' },
      { type: 'hide' },
    ]),
    await rule(2, [{ type: 'assign', assignee_id: user_id }]),
  ]
  const said = Array.from({ length: count }, (_, index) => comment(`m-${index}`, { thread_key: `t-${index}` }))
  await worker.accept(channel, said)
  await drain(ctx, { workspace_id, channel_id: channel.id })
  const conversation_ids = (await worker.messages()).map(message => message.conversation_id).sort()
  /** Of each event of that type, which conversation it is of; by one actor where one is named. */
  const told = async (type: string, actor_id?: string): Promise<string[]> => {
    const by = actor_id ? sql`and actor_id = ${actor_id}` : sql``
    const { rows } = await run(trx =>
      sql<{ id: string }>`select coalesce(conversation_id::text, data ->> 'conversation_id') as id
        from events where type = ${type} ${by} order by 1`.execute(trx),
    )
    return rows.map(({ id }) => id)
  }
  const actions = () => run(trx => trx.selectFrom('message_actions').selectAll().execute())
  const notifications = async () =>
    (await run(trx => trx.selectFrom('notifications').selectAll().execute())).map(row => row.conversation_id!)
  const isDone = async () => (await notifications()).length >= count && (await unread()) === 0
  const hadItsEffectOnce = async () => {
    for (const { id } of [first, second]) t.same(await told('rule.applied', id), conversation_ids, 'each applied once')
    for (const type of ['conversation.tagged', 'message.dismissed', 'action.queued', 'conversation.assigned'])
      t.same(await told(type), conversation_ids, type)
    t.same(await told('rule.loop_stopped'), [])
    t.same((await actions()).map(action => action.conversation_id).sort(), conversation_ids, 'one action each')
    t.same((await notifications()).sort(), conversation_ids, 'one notification each')
    t.same(await told('notification.created'), conversation_ids)
    for (const outcomes of await run(trx =>
      sql<{ all: unknown[] }>`
        select data -> 'actions' as all from events where type = 'rule.applied'`.execute(trx),
    ).then(({ rows }) => rows))
      t.ok(outcomes.all.every(outcome => (outcome as { result: string }).result === 'changed'))
  }
  return { ...worker, conversation_ids, told, actions, notifications, isDone, hadItsEffectOnce, calls: () => calls }
}

t.test('what rules and notifications had begun when their process was killed is as if it had not been', async t => {
  const world = await setUp(t, 20)
  const { told, actions, notifications, isDone, hadItsEffectOnce, db, ctx, clock, messages, url } = world
  const blocker = await connect(t, url)
  // A page can do all that it does but move its consumer's place.
  await blocker.query('begin; lock table feed_cursors in share mode')
  const kill = begin(t, url, 200)
  await until(
    'it has applied rules and waits for the table',
    async () => {
      const { rows } = await blocker.query(`select (select count(*) from ${OWN_LOCKS}
          where relation = 'feed_cursors'::regclass and not granted) as waiting,
        (select count(*) from ${OWN_LOCKS} where relation = 'message_actions'::regclass
          and mode = 'RowExclusiveLock' and granted) as acting`)
      return Number(rows[0].waiting) > 0 && Number(rows[0].acting) > 0
    },
    60_000,
  )
  await kill()
  await blocker.query('rollback')
  t.same([await told('rule.applied'), await told('action.queued'), await told('message.dismissed')], [[], [], []])
  t.same([await actions(), await notifications()], [[], []])
  begin(t, url, 200)
  await until('all is done', isDone, 60_000)
  await hadItsEffectOnce()

  // The hints died with the process: the sweeper finds what is to be hidden.
  clock.now = new Date()
  const jobs = await db.asSystem(trx => listActionsToAttempt(trx, clock.now, 100))
  t.equal(jobs.length, 20)
  for (const job of [...jobs, ...jobs]) await send(ctx)(job)
  t.equal(world.calls(), 20, 'each is hidden once, however often its worker is told')
  for (const message of await messages()) has(t, message, { disposition: 'spam', dismissed_reason: 'Raid' })
  t.ok((await messages()).every(({ hidden_at }) => hidden_at))
})

t.test('processes that are killed again and again while others are at it apply rules and notify once', async t => {
  const { url, told, notifications, isDone, hadItsEffectOnce } = await setUp(t, 50)
  const progress = async () => (await told('rule.applied')).length + (await notifications()).length
  const reached = async (enough: number) => {
    await until('some more are done', async () => (await progress()) >= enough, 60_000)
    t.comment(`${await progress()} are done`)
  }
  const [first, second] = [begin(t, url, 7), begin(t, url, 7)]
  await reached(30)
  await first()
  begin(t, url, 7)
  await reached(90)
  await second()
  await until('all is done', isDone, 60_000)
  await hadItsEffectOnce()
})
