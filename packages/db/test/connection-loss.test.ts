import { setTimeout as delay } from 'node:timers/promises'
import { firstWorkspace, testDatabase, until } from '@parley/testing'
import { sql } from 'kysely'
import pg from 'pg'
import t from 'tap'

t.test('a connection that breaks fails the transaction it carries, never the process', async t => {
  const { db, url } = await testDatabase(t)
  const { workspace_id } = await firstWorkspace(db)
  const killer = new pg.Client({ connectionString: url })
  await killer.connect()
  t.teardown(() => killer.end())
  const uncaught: unknown[] = []
  const catchIt = (error: unknown) => uncaught.push(error)
  process.on('uncaughtException', catchIt)
  t.teardown(() => process.off('uncaughtException', catchIt))

  const insert = (name: string, between: () => Promise<unknown>) =>
    db.inWorkspace(workspace_id, async trx => {
      const now = new Date()
      await trx
        .insertInto('contacts')
        .values({ id: crypto.randomUUID(), name, created_at: now, updated_at: now })
        .execute()
      await between()
      await sql`select 1`.execute(trx)
    })
  const kill = () =>
    killer.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`)

  const sleeping = () =>
    killer.query(`select from pg_stat_activity
      where datname = current_database() and state = 'active' and query = 'select pg_sleep(5)'`)

  const idle = insert('between two queries', async () => {
    await kill()
    await delay(100)
  })
  await t.rejects(idle)
  const busy = Promise.all([
    t.rejects(insert('inside a query', () => db.pool.query('select pg_sleep(5)'))),
    until('it is inside', async () => (await sleeping()).rowCount! > 0).then(kill),
  ])
  await busy
  await kill()
  await delay(100)

  t.same(uncaught, [])
  await insert('afterwards', async () => {})
  const names = await db.inWorkspace(workspace_id, trx => trx.selectFrom('contacts').select('name').execute())
  t.same(names, [{ name: 'afterwards' }], 'nothing of a broken transaction is kept')
})
