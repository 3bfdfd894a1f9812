import { setTimeout as delay } from 'node:timers/promises'
import { testDatabase, until } from '@parley/testing'
import pg from 'pg'
import t from 'tap'
import { job, openHints, openWorker } from './helper.ts'

t.test('connections that break in their first moments end no process, and the queue goes on', async t => {
  const { url } = await testDatabase(t)
  const backend = { kind: 'postgres' as const, url: `${url}?application_name=first-moments` }
  const enemy = new pg.Client({ connectionString: url })
  await enemy.connect()
  t.teardown(() => enemy.end())
  let ended = 0
  let peace = false
  const war = (async () => {
    while (!peace) {
      const { rowCount } = await enemy.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name = 'first-moments' and datname = current_database()`,
      )
      ended += rowCount ?? 0
      await delay(2)
    }
  })()
  const opened = Array.from({ length: 12 }, () => ({ ...openWorker(t, backend), ...openHints(t, backend) }))
  await until('many connections were ended', async () => ended >= 100)
  peace = true
  await war
  const last = opened.at(-1)!
  await until('a hint is heard', async () => {
    last.hints.ingest(job())
    return opened.some(({ handled }) => handled.length > 0)
  })
})
