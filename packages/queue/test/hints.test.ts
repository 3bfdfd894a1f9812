import { setTimeout as delay } from 'node:timers/promises'
import { onBothBackends, testDatabase, until } from '@parley/testing'
import t from 'tap'
import { command, gateTo, hintUntil, job, openHints, openWorker, ownRedis, readyHints, untilHeard } from './helper.ts'

t.test('a hint reaches a worker of its queue, with what it is about', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints, lost } = await readyHints(t, backend)
    const [ingest, poll] = [job(), job()]
    const send = { workspace_id: ingest.workspace_id, message_id: poll.channel_id }
    const hint = { ingest: () => hints.ingest(ingest), poll: () => hints.poll(poll), send: () => hints.send(send) }
    for (const [queue, data] of Object.entries({ ingest, poll, send })) {
      const worker = openWorker(t, backend, { queue })
      await hintUntil(`${queue} is looked at`, lost, hint[queue as 'send'], () => worker.handled.length > 0)
      t.same(worker.handled[0], data)
    }
    await hints.check()
  })
})

t.test('hints about many subjects all arrive', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints, lost } = await readyHints(t, backend)
    const worker = openWorker(t, backend, { concurrency: 4 })
    const subjects = Array.from({ length: 100 }, job)
    const unseen = () => subjects.filter(({ channel_id }) => worker.seen(channel_id).length === 0)
    const hintUnseen = () => {
      for (const subject of unseen()) hints.ingest(subject)
    }
    await hintUntil('all are looked at', lost, hintUnseen, () => unseen().length === 0)
    const known = new Set<string>(subjects.map(({ channel_id }) => channel_id))
    t.ok(worker.handled.every(data => known.has((data as { channel_id: string }).channel_id)))
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
    await hintUntil(
      'the job runs',
      lost,
      () => hints.ingest(subject),
      () => worker.handled.length > 0,
    )
    for (let n = 0; n < 1_000; n += 1) {
      if (n % 2 === 0) hints.ingest(subject)
      else hints.repeat('ingest', subject)
      if (n % 100 === 0) await delay(1)
    }
    const after = job()
    release()
    await hintUntil(
      'the queue is empty',
      lost,
      () => hints.ingest(after),
      () => worker.seen(after.channel_id).length > 0,
    )
    await until('all have ended', async () => afterwards === worker.handled.length)
    const before = worker.seen(subject.channel_id).length
    t.ok(before <= 5, `${before} jobs`)
    await hintUntil(
      'a later hint is heard again',
      lost,
      () => hints.ingest(subject),
      () => worker.seen(subject.channel_id).length > before,
    )
  })
})

t.test('a job that fails leaves its subject open to the next hint', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints, lost } = await readyHints(t, backend)
    const subject = job()
    let afterwards = 0
    const worker = openWorker(t, backend, {
      handle: async () => Promise.reject(new Error('on purpose')),
      afterwards: async () => {
        afterwards += 1
      },
    })
    for (const times of [1, 2]) {
      await hintUntil(
        'it failed',
        lost,
        () => hints.ingest(subject),
        () => worker.errors.length >= times,
      )
    }
    t.equal(afterwards, 0, 'a failed job is left to the sweeper')
    t.ok(worker.handled.length >= 2)
    t.match(worker.errors.slice(0, 2), [{ message: 'on purpose' }, { message: 'on purpose' }])
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
    t.equal(hints.ingest(subject), undefined, 'it returns at once')
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
    const { hints, lost } = openHints(t, backend)
    const worker = openWorker(t, backend)
    await untilHeard(hints, worker)
    lost.length = 0
    await gate.shut()
    for (const subject of [job(), job(), job()]) t.equal(hints.ingest(subject), undefined, 'it returns at once')
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
    t.equal(hints.ingest(subject), undefined, `${name}: it returns at once`)
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
    await one.del(...keys.filter(key => !isMark(key)))
  })
  const worker = openWorker(t, backend)
  hints.ingest(subjects[0])
  hints.repeat('ingest', subjects[1])
  for (const { channel_id } of subjects) await until('it is heard', async () => worker.seen(channel_id).length > 0)
  t.same(lost, [])
})
