import { openDatabase } from '@parley/db'
import { has } from '@parley/testing'
import { sql } from 'kysely'
import t from 'tap'
import { batches, batchesAfterwards } from '../src/processors/batches.ts'
import { cleanUp, sweep } from '../src/processors/housekeeping.ts'
import { send } from '../src/processors/send.ts'
import { connect, openBatches } from './batch-world.ts'
import { at } from './processing.ts'

t.test('a batch is gone through, its actions are hinted, and what the network says is read with it', async t => {
  const { worker, ctx, make, read, items, job } = await openBatches(t, 3)
  const batch = await make({})
  t.equal(await batches(ctx)(job(batch)), 'finished')
  has(t, await read(batch), { state: 'finished', done: 3 })
  const hinted = worker.hints.filter(({ queue }) => queue === 'send').map(hint => hint.job)
  t.equal(hinted.length, 3)
  t.ok(worker.woken.length > 0)
  worker.hints.length = 0
  for (const one of hinted) t.equal(await send(ctx)(one), 'sent')
  t.same(worker.hints, Array(3).fill({ queue: 'batches', job: job(batch) }), 'there is room for more')
  t.same(
    (await items(batch)).map(item => (item as { action_state?: string }).action_state),
    ['sent', 'sent', 'sent'],
  )
  t.equal((await worker.messages()).filter(({ liked_at }) => liked_at).length, 3)
  t.equal(await batches(ctx)(job(batch)), 'taken', 'a hint too many does nothing')
})

t.test('a hint that got lost is made good by the sweeper, and a turn that is over by the next one', async t => {
  const { worker, ctx, clock, make, job, read } = await openBatches(t, 120)
  const batch = await make({ action: 'dismiss', reason: 'x' })
  await sweep(ctx)()
  const swept = () => worker.hints.filter(({ queue }) => queue === 'batches')
  t.same(swept(), [], 'it has just been hinted')
  clock.now = at('09:10:05')
  await sweep(ctx)()
  t.same(swept(), [{ queue: 'batches', job: job(batch) }])
  let ms = 0
  const slow = () => {
    ms += 400
    return ms
  }
  t.equal(await batches({ ...ctx, monotonicMs: slow })(job(batch)), 'time')
  has(t, await read(batch), { state: 'running', done: 50 })
  await batchesAfterwards(ctx)(job(batch), 'time')
  t.equal(swept().length, 2)
  t.equal(await batches({ ...ctx, monotonicMs: () => 0 })(job(batch)), 'finished')
  await batchesAfterwards(ctx)(job(batch), 'finished')
  clock.now = at('09:20:00')
  await sweep(ctx)()
  t.equal(swept().length, 2, 'what has finished is not hinted')
})

t.test('a message that cannot be handled is refused, and the others go on', async t => {
  const { ctx, run, worker, make, read, items, job, message_ids } = await openBatches(t, 60)
  const poison = message_ids[17]!
  const client = await connect(t, worker.url)
  await client.query(`create function fail() returns trigger language plpgsql as
    $$ begin raise exception 'this one cannot be written'; end $$;
    create trigger fail before update on messages for each row when (old.id = '${poison}') execute function fail()`)
  const batch = await make({ action: 'dismiss', reason: 'x' })
  let ended = 'time'
  while (ended === 'time') ended = await batches(ctx)(job(batch))
  t.equal(ended, 'finished')
  has(t, await read(batch), { done: 59, refused: 1 })
  has(t, (await items(batch)).find(({ message_id }) => message_id === poison)!, { result: 'refused', code: 'failed' })
  await client.query('drop trigger fail on messages')
  t.equal(
    (await run(trx => trx.selectFrom('messages').select('id').where('dismissed_at', 'is', null).execute())).length,
    1,
  )
})

t.test('a database that is away is no message’s fault', async t => {
  const { ctx, make, read, job, items } = await openBatches(t, 2)
  const batch = await make({ action: 'dismiss', reason: 'x' })
  const gone = openDatabase({ url: 'postgres://nobody@127.0.0.1:9/nowhere' })
  t.teardown(() => gone.close())
  await t.rejects(batches({ ...ctx, db: gone })(job(batch)))
  has(t, await read(batch), { state: 'running', done: 0 })
  t.ok((await items(batch)).every(({ result }) => result === 'pending'))
})

t.test('a batch is forgotten a month after it finished, and not while it goes on or is taken back', async t => {
  const { ctx, run, clock, make, undo, job } = await openBatches(t, 2)
  const left = () =>
    run(async trx => {
      const rows = await trx.selectFrom('message_batches').select('id').orderBy('id').execute()
      const { rows: counts } = await sql<{
        count: number
      }>`select count(*)::int as count from message_batch_items`.execute(trx)
      return [rows.map(({ id }) => id), counts[0]!.count]
    })
  const old = await make({ action: 'dismiss', reason: 'x' })
  await batches(ctx)(job(old))
  const liked = await make({})
  await batches(ctx)(job(liked))
  clock.now = new Date(at('09:10:00').getTime() + 30 * 24 * 3_600_000)
  await cleanUp(ctx)()
  t.same((await left())[1], 4, 'not a month yet')
  clock.now = new Date(clock.now.getTime() + 1)
  const undone = await undo(liked)
  await cleanUp(ctx)()
  t.same(await left(), [[liked.id, undone.id], 4])
  await batches(ctx)(job(undone))
  await cleanUp(ctx)()
  t.same(await left(), [[undone.id], 2])
})
