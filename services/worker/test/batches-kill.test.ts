import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { MessageBatch } from '@parley/db'
import { has, OWN_LOCKS, until } from '@parley/testing'
import t, { type Test } from 'tap'
import { type Batches, connect, openBatches } from './batch-world.ts'

const SCRIPT = fileURLToPath(new URL('./batch-process.ts', import.meta.url))

/** A process of its own that goes through batches; `kill` ends it at once. */
function begin(t: Test, url: string) {
  const args = ['--import=tsx', '--conditions=parley-source', SCRIPT]
  const child = spawn(process.execPath, args, { env: { ...process.env, DATABASE_URL: url }, stdio: 'ignore' })
  const ended = new Promise(resolve => child.once('exit', resolve))
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  return kill
}

async function isDoneOnce(t: Test, { message_ids, read, items, told, actions }: Batches, made: MessageBatch[]) {
  const all = [...message_ids].sort()
  for (const batch of made) {
    has(t, await read(batch), { state: 'finished', total: all.length, done: all.length, unchanged: 0, refused: 0 })
    t.same(
      (await items(batch)).map(({ message_id, result }) => [message_id, result]),
      all.map(id => [id, 'done']),
    )
  }
  t.same(await told('message.dismissed'), all, 'each is dismissed once')
  t.same(await told('action.queued'), all, 'and each is queued once')
  t.equal((await actions()).length, all.length)
  t.same(await told('message_batch.finished'), made.map(({ id }) => id).sort(), 'each ends once')
}

t.test('what a process had begun when it was killed is as if it had not been, and is done by the next one', async t => {
  const world = await openBatches(t, 30)
  const { worker, make, told, items } = world
  const blocker = await connect(t, worker.url)
  const made = [await make({ action: 'dismiss', reason: 'x' }), await make({})]
  // It can do everything but write down what became of it.
  await blocker.query('begin; lock table message_batch_items in exclusive mode')
  const kill = begin(t, worker.url)
  await until(
    'it waits for the table',
    async () => {
      const { rows } = await blocker.query(
        `select from ${OWN_LOCKS} where relation = 'message_batch_items'::regclass and not granted`,
      )
      return rows.length > 0
    },
    60_000,
  )
  await kill()
  await blocker.query('rollback')
  t.same(await told('message.dismissed'), [])
  t.ok((await items(made[0]!)).every(({ result }) => result === 'pending'))
  begin(t, worker.url)
  await until('both are through', async () => (await told('message_batch.finished')).length === 2, 60_000)
  await isDoneOnce(t, world, made)
})

t.test('processes that are killed again and again while others are at it do nothing twice', async t => {
  const world = await openBatches(t, 150)
  const { worker, make, told } = world
  const made = [await make({ action: 'dismiss', reason: 'x' }), await make({})]
  const progress = async () => (await told('message.dismissed')).length + (await told('action.queued')).length
  for (const enough of [50, 150]) {
    const both = [begin(t, worker.url), begin(t, worker.url)]
    await until('some more are done', async () => (await progress()) >= enough, 60_000)
    for (const kill of both) await kill()
    t.comment(`${await progress()} are done`)
  }
  begin(t, worker.url)
  await until('both are through', async () => (await told('message_batch.finished')).length === 2, 60_000)
  await isDoneOnce(t, world, made)
})
