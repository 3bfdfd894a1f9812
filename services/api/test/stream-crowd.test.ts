import { setTimeout as delay } from 'node:timers/promises'
import { appendEvents } from '@parley/db'
import { until } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { addKey, atOnce, type Json, testApi } from './helper.ts'
import { followStream, type Stream } from './streams.ts'

const IDLE_STREAMS = 1_000
const IDLE_MS = 4_000
/** A thousand sockets on a machine that does other things as well. */
const HEARD_MS = 60_000

t.test('streams that hear nothing cost the database the same, however many they are', async t => {
  const api = await testApi(t)
  const { url } = await api.listen()
  const keys = await Promise.all(
    Array.from({ length: IDLE_STREAMS / 100 }, () => addKey(api.db, api.ours.workspace_id, 'agent')),
  )
  const streams: Stream[] = []
  for (const { key } of keys) streams.push(...(await atOnce(100, () => followStream(t, { url, key }))))
  const write = () =>
    api.db.inWorkspace(api.ours.workspace_id, trx =>
      appendEvents(trx, [
        {
          type: 'tag.created',
          at: new Date(),
          actor: { type: 'system', id: null },
          data: {},
        },
      ]),
    )
  // No wake-up: the look that all share finds it.
  await write()
  await until('all have heard', async () => streams.every(stream => stream.ids().length === 1), HEARD_MS)
  // PostgreSQL counts late, and what was there before as well: so what takes a connection is counted here.
  let transactions = 0
  api.db.pool.on('acquire', () => {
    transactions += 1
  })
  const began = performance.now()
  await delay(IDLE_MS)
  const perSecond = (1000 * transactions) / (performance.now() - began)
  // The look that all share, and the checks of their keys.
  t.ok(transactions > 0 && perSecond < 20, `${perSecond} transactions a second`)
  await write()
  await until('all have heard again', async () => streams.every(stream => stream.ids().length === 2), HEARD_MS)
})

t.test('whatever readers and writers do, each reader hears what it sees, in order and once', async t => {
  const api = await testApi(t, { streams: { heartbeatMs: 200 } })
  const { url } = await api.listen()
  const { workspace_id } = api.ours
  const [one, two] = await Promise.all([addKey(api.db, workspace_id, 'agent'), addKey(api.db, workspace_id, 'lead')])
  const inboxes: (string | undefined)[] = [undefined]
  for (const { user_id } of [one, two]) {
    const { body } = await api.call('POST', '/v1/inboxes', { name: `Inbox of ${user_id}` })
    await api.call('PUT', `/v1/inboxes/${body.id}/members/${user_id}`)
    inboxes.push(body.id)
  }
  const keys = [api.ours.key, one.key, two.key, one.key]
  const feedAfter = async (key: string, after: string) => {
    const ids: string[] = []
    for (let cursor: string | null = after; cursor; ) {
      const { body } = await api.call('GET', `/v1/events?limit=100&after=${cursor}`, undefined, {
        authorization: `Bearer ${key}`,
      })
      ids.push(...body.data.map((event: Json) => event.cursor))
      cursor = body.next_cursor
    }
    return ids
  }
  /** Other databases of the server hold a reader up while they write. */
  const readAll = async () => {
    const [row] = await api.query(`select count(*)::int as count from events where workspace_id = '${workspace_id}'`)
    const ids = await feedAfter(api.ours.key, '0-0')
    return ids.length === row.count && ids
  }
  const step = fc.oneof(
    fc.record({ act: fc.constant('write' as const), inbox: fc.nat({ max: 2 }), slow: fc.boolean() }),
    fc.record({ act: fc.constant('come back' as const), reader: fc.nat({ max: 3 }) }),
    fc.record({ act: fc.constant('commit' as const) }),
  )
  let written = 0
  const history = fc.array(step, { minLength: 10, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(history, async steps => {
      const there = await until('all that was there can be read', readAll, HEARD_MS)
      const from = there.at(-1)!
      const startedAt = written
      const readers = await Promise.all(
        keys.map(async key => ({
          key,
          heard: [] as string[],
          stream: await followStream(t, { url, key, lastEventId: from }),
        })),
      )
      const open: { commit: () => void; done: Promise<void> }[] = []
      const begin = (inbox: number) => {
        let commit = () => {}
        const asked = new Promise<void>(resolve => {
          commit = resolve
        })
        const inbox_id = inboxes[inbox]
        const done = api.db.inWorkspace(workspace_id, async trx => {
          await appendEvents(trx, [
            {
              type: 'event.parked',
              at: new Date(),
              actor: { type: 'system', id: null },
              data: inbox_id ? { inbox_id } : {},
            },
          ])
          await asked
        })
        written += 1
        open.push({ commit, done })
      }
      const commit = async () => {
        const next = open.shift()
        next?.commit()
        await next?.done
        api.ctx.wakeUps.publish(workspace_id)
      }
      for (const step of steps) {
        if (step.act === 'commit') await commit()
        if (step.act === 'write') {
          begin(step.inbox)
          // Those that were begun before stay open behind the ones that were not slow.
          if (!step.slow || open.length > 3) open.unshift(open.pop()!)
          if (!step.slow || open.length > 3) await commit()
        }
        if (step.act === 'come back') {
          const reader = readers[step.reader]!
          reader.stream.close()
          reader.heard.push(...reader.stream.ids())
          const lastEventId = reader.heard.at(-1) ?? from
          reader.stream = await followStream(t, { url, key: reader.key, lastEventId })
        }
      }
      while (open.length > 0) await commit()
      const all = async () => (await feedAfter(api.ours.key, from)).length === written - startedAt
      // Other databases of the server hold a reader up while they write.
      await until('all can be read', all, HEARD_MS)
      for (const { key, heard, stream } of readers) {
        const expected = await feedAfter(key, from)
        await until('all has come', async () => heard.length + stream.ids().length >= expected.length)
        t.same([...heard, ...stream.ids()], expected)
        stream.close()
      }
    }),
    { numRuns: 12 },
  )
})
