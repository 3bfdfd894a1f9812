import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { onBothBackends, testDatabase, until } from '@parley/testing'
import t from 'tap'
import { command, duration, gateTo, job, openHints, openWorker, ownRedis, readyHints, untilHeard } from './helper.ts'

t.test('a hint reaches a worker of its queue, with what it is about', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints, lost } = await readyHints(t, backend)
    const [ingest, poll] = [job(), job()]
    const send = { workspace_id: ingest.workspace_id, message_id: poll.channel_id }
    hints.ingest(ingest)
    hints.poll(poll)
    hints.send(send)
    for (const [queue, data] of Object.entries({ ingest, poll, send })) {
      const worker = openWorker(t, backend, { queue })
      await until(`${queue} is looked at`, async () => worker.handled.length > 0)
      t.same(worker.handled, [data])
    }
    await hints.check()
    t.same(lost, [])
  })
})

t.test('hints about many subjects all arrive', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints } = await readyHints(t, backend)
    const worker = openWorker(t, backend, { concurrency: 4 })
    const subjects = Array.from({ length: 100 }, job)
    t.ok(duration(() => subjects.forEach(subject => void hints.ingest(subject))) < 250)
    await until('all are looked at', async () => worker.handled.length >= subjects.length)
    const ids = (jobs: unknown[]) => jobs.map(data => (data as { channel_id: string }).channel_id).sort()
    t.same(ids(worker.handled), ids(subjects))
  })
})

t.test('a thousand hints about one subject while its job runs cost a handful of jobs', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints, lost } = await readyHints(t, backend)
    const subject = job()
    let release = () => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    let afterwards = 0
    const worker = openWorker(t, backend, {
      handle: () => released,
      afterwards: async () => {
        afterwards += 1
      },
    })
    hints.ingest(subject)
    await until('the job runs', async () => worker.handled.length > 0)
    for (let n = 0; n < 1_000; n += 1) {
      if (n % 2 === 0) hints.ingest(subject)
      else hints.repeat('ingest', subject)
      if (n % 100 === 0) await delay(1)
    }
    const after = job()
    hints.ingest(after)
    release()
    await until('the queue is empty', async () => worker.seen(after.channel_id).length > 0)
    await until('all have ended', async () => afterwards === worker.handled.length)
    t.ok(worker.seen(subject.channel_id).length <= 5, `${worker.seen(subject.channel_id).length} jobs`)
    t.same(lost, [])
    hints.ingest(subject)
    const before = worker.seen(subject.channel_id).length
    await until('a later hint is heard again', async () => worker.seen(subject.channel_id).length > before)
  })
})

t.test('a job that fails leaves its subject open to the next hint', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints } = await readyHints(t, backend)
    const subject = job()
    let afterwards = 0
    const worker = openWorker(t, backend, {
      handle: async () => Promise.reject(new Error('on purpose')),
      afterwards: async () => {
        afterwards += 1
      },
    })
    for (const times of [1, 2]) {
      hints.ingest(subject)
      await until('it failed', async () => worker.errors.length === times)
    }
    t.equal(afterwards, 0, 'a failed job is left to the sweeper')
    t.equal(worker.handled.length, 2)
    t.match(worker.errors, [{ message: 'on purpose' }, { message: 'on purpose' }])
  })
})

t.test('hints and workers that start before their server find it once it is there', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { kind, url } = backendOf((await testDatabase(t)).url)
    const gate = await gateTo(t, url)
    const backend = { kind, url: gate.url }
    const { hints, lost } = openHints(t, backend)
    const worker = openWorker(t, backend)
    const subject = job()
    t.ok(duration(() => hints.ingest(subject)) < 50, 'it returns at once')
    await until('the loss is told', async () => lost.length > 0, 5_000)
    t.match(lost[0], { queue: 'ingest', error: Error })
    await t.rejects(hints.check())
    await gate.open()
    await untilHeard(hints, worker)
    await hints.check()
  })
})

t.test('hints and workers find their server again after it was away', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { kind, url } = backendOf((await testDatabase(t)).url)
    const gate = await gateTo(t, url)
    await gate.open()
    const backend = { kind, url: gate.url }
    const worker = openWorker(t, backend)
    await untilHeard(openHints(t, backend).hints, worker)
    // Those of before may still be on their way.
    const { hints, lost } = await readyHints(t, backend)
    await gate.shut()
    for (const subject of [job(), job(), job()]) t.ok(duration(() => hints.ingest(subject)) < 50, 'it returns at once')
    await until('the losses are told', async () => lost.length >= 3, 5_000)
    await delay(500)
    t.equal(lost.length, 3, 'each once, and nothing else')
    await gate.open()
    await untilHeard(hints, worker)
  })
})

t.test('a Redis that is killed or frozen costs a few hints and no time', async t => {
  const redis = await ownRedis(t)
  await redis.start()
  const backend = { kind: 'redis', url: redis.url } as const
  const { hints, lost } = await readyHints(t, backend)
  const worker = openWorker(t, backend)
  await untilHeard(hints, worker)
  const faults = {
    killed: [redis.kill, redis.start],
    frozen: [() => redis.signal('SIGSTOP'), () => redis.signal('SIGCONT')],
  } as const
  for (const [name, [begin, end]] of Object.entries(faults)) {
    lost.length = 0
    await begin()
    const subject = job()
    t.ok(duration(() => hints.ingest(subject)) < 50, `${name}: it returns at once`)
    for (let n = 0; n < 1_000; n += 1) hints.ingest(subject)
    await until('the loss is told', async () => lost.length > 0, 3_000)
    await t.rejects(hints.check(), `${name}: the check says so`)
    t.ok(lost.length < 10, `${name}: a thousand hints about one subject are ${lost.length} losses`)
    await end()
    await untilHeard(hints, worker)
  }
})

t.test('a Redis that has forgotten everything does no lasting harm', async t => {
  const redis = await ownRedis(t)
  await redis.start()
  const backend = { kind: 'redis', url: redis.url } as const
  const { hints } = await readyHints(t, backend)
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const worker = openWorker(t, backend, { handle: () => released })
  const [running, waiting] = [job(), job()]
  hints.ingest(running)
  await until('a job runs', async () => worker.handled.length > 0)
  hints.ingest(waiting)
  await command(redis.url, one => one.flushall())
  release()
  hints.repeat('ingest', waiting)
  hints.repeat('ingest', running)
  await until('the waiting one is looked at', async () => worker.seen(waiting.channel_id).length > 0)
  await until('the running one is looked at again', async () => worker.seen(running.channel_id).length > 1)
  await untilHeard(hints, worker)
})

t.test('what keeps a second hint out does not outlive a job that was lost', async t => {
  const redis = await ownRedis(t)
  await redis.start()
  const backend = { kind: 'redis', url: redis.url } as const
  const { hints, lost } = await readyHints(t, backend)
  const subjects = [job(), job()] as const
  for (const subject of subjects) hints.ingest(subject)
  const swept = job()
  hints.repeat('ingest', swept)
  const isMark = (key: string) => key.includes(':de:')
  await command(redis.url, async one => {
    await until('the hints stand', async () => (await one.keys('*')).filter(isMark).length === 3)
    const keys = await one.keys('*')
    const ofSweeper = keys.find(key => isMark(key) && key.includes(swept.channel_id))!
    const ms = await one.pttl(ofSweeper)
    t.ok(ms > 0 && ms <= 10_000, `the sweeper's mark runs out in ${ms} ms`)
    // But for the counter of ids: a job that took the lost one's id would be taken for it.
    await one.del(...keys.filter(key => !isMark(key) && !key.endsWith(':id')))
  })
  const worker = openWorker(t, backend)
  hints.ingest(subjects[0])
  hints.repeat('ingest', subjects[1])
  for (const { channel_id } of subjects) await until('it is heard', async () => worker.seen(channel_id).length > 0)
  t.same(lost, [])
})

t.test('how many hints stand in each queue can be asked', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { url } = await testDatabase(t)
    const { hints } = await readyHints(t, backendOf(url))
    const states = ['active', 'delayed', 'failed', 'waiting']
    const depths = async () => (await hints.depths()).filter(({ state }) => states.includes(state))
    const empty = await depths()
    t.same(
      empty.map(({ queue, state }) => `${queue} ${state}`).sort(),
      ['attachments', 'batches', 'ingest', 'poll', 'send'].flatMap(queue => states.map(state => `${queue} ${state}`)),
    )
    t.ok(empty.every(({ jobs }) => jobs === 0))
    hints.ingest(job())
    hints.ingest(job())
    hints.poll(job())
    await until('all three stand there', async () => {
      const standing = (await depths()).filter(({ jobs }) => jobs > 0)
      const told = standing.map(({ queue, state, jobs }) => `${jobs} ${queue} ${state}`).sort()
      return told.join() === '1 poll waiting,2 ingest waiting'
    })
  })
})

t.test('what batches and rules ask of a network stands behind what somebody asks for by itself', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints } = await readyHints(t, backend)
    const send = () => ({ workspace_id: randomUUID(), message_id: randomUUID() })
    const [batch_id, action_id] = [randomUUID(), randomUUID()]
    const ofBatch = [1, 2].map(() => ({ ...send(), action_id: randomUUID(), batch_id }))
    const ofRule = { ...send(), action_id: randomUUID(), behind: true as const }
    const swept = { ...send(), action_id, batch_id }
    for (const job of [...ofBatch, ofRule]) hints.send(job)
    hints.repeat('send', swept)
    const standing = async (count: number) =>
      (await hints.depths()).filter(({ queue }) => queue === 'send').reduce((sum, { jobs }) => sum + jobs, 0) === count
    await until('all of these stand there', () => standing(4))
    const reply = send()
    hints.send(reply)
    await until('the reply stands there too', () => standing(5))
    const worker = openWorker(t, backend, { queue: 'send', concurrency: 1 })
    await until('all are handled', async () => worker.handled.length === 5)
    t.same(worker.handled[0], reply)
    t.same(new Set(worker.handled.slice(1)), new Set([...ofBatch, ofRule, swept]))
  })
})
