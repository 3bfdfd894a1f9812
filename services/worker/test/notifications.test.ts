import { randomUUID } from 'node:crypto'
import { createTask } from '@parley/core'
import { insertUser } from '@parley/db'
import t from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { tellOfDueTasks } from '../src/processors/tasks.ts'
import { levelWithLog } from './level.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

t.test(
  'a task that falls due is told of by one of two workers, and its assignee by the consumer of the log',
  async t => {
    const worker = await openWorker(t, fakeConnector())
    const { ctx, run, clock } = worker
    const channel = await worker.addChannel()
    const feeds = new Feeds(
      ctx,
      FEED_CONSUMERS.filter(({ name }) => name === 'notifications'),
    )
    t.teardown(() => feeds.close())
    const level = () => levelWithLog(feeds, worker, 'notifications')
    await level()
    await worker.accept(channel, [comment('m-1', { text: 'Hello' })])
    await drain(ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
    const [ben, due_at] = [randomUUID(), at('18:00:00')]
    await run(async trx => {
      await insertUser(trx, { id: ben, name: 'Ben', role: 'agent', created_at: clock.now })
      const { id: conversation_id } = await trx.selectFrom('conversations').select('id').executeTakeFirstOrThrow()
      const draft = { conversation_id, title: 'Call', note: null, due_at, assignee_id: ben }
      await createTask(trx, draft, { type: 'user', id: ben }, clock.now)
    })
    clock.now = due_at
    await Promise.all([tellOfDueTasks(ctx)(), tellOfDueTasks(ctx)()])
    await tellOfDueTasks(ctx)()
    await level()
    const told = () => run(trx => trx.selectFrom('notifications').selectAll().execute())
    t.match(await told(), [{ user_id: ben, kind: 'task_due' }])
    t.equal((await told()).length, 1)
  },
)
