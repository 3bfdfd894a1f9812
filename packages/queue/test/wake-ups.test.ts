import { onBothBackends, testDatabase, until } from '@parley/testing'
import pg from 'pg'
import t, { type Test } from 'tap'
import { openWakeUps, type Passing, type QueueBackend, type WakeUps } from '../src/index.ts'
import { command, duration, gateTo } from './helper.ts'

function listenTo(t: Test, backend: QueueBackend) {
  const wakeUps = openWakeUps(backend)
  t.teardown(() => wakeUps.close())
  const heard: string[] = []
  wakeUps.subscribe(workspace_id => heard.push(workspace_id))
  return { wakeUps, heard }
}

/** Publishes again and again: one that is lost is not repeated. */
async function untilHeard(publisher: WakeUps, heard: string[], name: string) {
  await until(`${name} is heard`, async () => {
    publisher.publish(name)
    return heard.includes(name)
  })
}

t.test('a wake-up reaches every process that listens', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const [one, two] = [listenTo(t, backend), listenTo(t, backend)]
    await untilHeard(one.wakeUps, two.heard, 'a')
    await untilHeard(two.wakeUps, one.heard, 'b')
    await untilHeard(one.wakeUps, one.heard, 'c')
  })
})

t.test('every listener of a process is woken, and closing leaves none behind', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { wakeUps, heard } = listenTo(t, backend)
    const also: string[] = []
    wakeUps.subscribe(workspace_id => also.push(workspace_id))
    await untilHeard(wakeUps, heard, 'a')
    await untilHeard(wakeUps, also, 'b')
  })
})

t.test('what passes reaches those who hear it, on every process, and wakes nobody', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const [one, two] = [listenTo(t, backend), listenTo(t, backend)]
    const passed: Passing[] = []
    two.wakeUps.hear(message => passed.push(message))
    const message: Passing = {
      ...{ workspace_id: 'w', inbox_id: 'i', conversation_id: 'c', user_id: 'u' },
      ...{ state: 'typing', expires_at: '2026-01-01T00:00:30.000Z', typing_until: null },
    }
    await until('it is heard', async () => {
      one.wakeUps.tell(message)
      return passed.length > 0
    })
    t.same(passed[0], message)
    await untilHeard(one.wakeUps, two.heard, 'a')
    t.ok(two.heard.every(heard => heard === 'a'))
    t.throws(() => one.wakeUps.tell({ ...message, user_id: 'u'.repeat(8_000) }), RangeError)
  })
})

t.test('listening heals after its connection was killed', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { url } = await testDatabase(t)
    const backend = backendOf(url)
    const { wakeUps, heard } = listenTo(t, backend)
    await untilHeard(wakeUps, heard, 'before')
    if (backend.kind === 'redis') {
      await command(backend.url, redis => redis.call('client', 'kill', 'type', 'pubsub'))
    } else {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      const { rowCount } = await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parley-wake-ups' " +
          'and datname = current_database()',
      )
      await client.end()
      t.equal(rowCount, 1)
    }
    await untilHeard(wakeUps, heard, 'after')
  })
})

t.test('wake-ups start before their server, and survive its going away', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { kind, url } = backendOf((await testDatabase(t)).url)
    const gate = await gateTo(t, url)
    const { wakeUps, heard } = listenTo(t, { kind, url: gate.url })
    t.ok(duration(() => wakeUps.publish('lost')) < 50, 'it returns at once')
    await gate.open()
    await untilHeard(wakeUps, heard, 'first')
    await gate.shut()
    t.ok(duration(() => wakeUps.publish('lost too')) < 50, 'it returns at once')
    await gate.open()
    await untilHeard(wakeUps, heard, 'second')
    t.notOk(heard.includes('lost'))
  })
})

t.test('nothing is heard or thrown after closing', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const [one, two] = [listenTo(t, backend), listenTo(t, backend)]
    await untilHeard(one.wakeUps, two.heard, 'a')
    await two.wakeUps.close()
    two.wakeUps.publish('x')
    const count = two.heard.length
    await untilHeard(one.wakeUps, one.heard, 'b')
    t.equal(two.heard.length, count)
    await two.wakeUps.close()
  })
})
