import { readdir, readFile } from 'node:fs/promises'
import { testDatabase } from '@parley/testing'
import t from 'tap'
import { migrate, openDatabase, pendingMigrations } from '../src/index.ts'
import { emptyDatabase } from './catalogue.ts'

const FOLDER = new URL('../../../migrations/', import.meta.url)
const files = (await readdir(FOLDER)).sort()
const withoutComments = (text: string) => text.replace(/^\s*--.*$/gm, '').trim()

t.test('migrations are numbered without a gap, and each one begins by not waiting long for a lock', async t => {
  t.ok(files.length > 0)
  for (const [index, file] of files.entries()) {
    t.match(file, new RegExp(`^${String(index + 1).padStart(4, '0')}_[a-z_]+\\.sql$`))
    const text = await readFile(new URL(file, FOLDER), 'utf8')
    t.match(text, /^--/, `${file} says why`)
    t.match(withoutComments(text), /^set local lock_timeout = '[1-5]s';/, file)
  }
})

t.test('what PostgreSQL 15 cannot read is executed as text, behind a look at the version', async t => {
  for (const file of files) {
    const text = withoutComments(await readFile(new URL(file, FOLDER), 'utf8'))
    t.notMatch(text.replace(/execute '[^']*'/g, ''), /with inherit (true|false)/, file)
  }
})

t.test('two migrators at once both succeed, and each file is applied once', async t => {
  const url = await emptyDatabase(t)
  const applied = await Promise.all([migrate(url), migrate(url), migrate(url)])
  const names = files.map(file => file.replace('.sql', ''))
  t.same(applied.flat().sort(), names)
  t.equal(applied.filter(list => list.length > 0).length, 1, 'one did the work, the others waited for it')
  const db = openDatabase({ url })
  t.teardown(() => db.close())
  const { rows } = await db.pool.query('select name from schema_migrations order by id')
  t.same(
    rows.map(({ name }) => name),
    names,
  )
  t.same(await pendingMigrations(db.pool), [])
  t.same(await migrate(url), [], 'and again changes nothing')
})

t.test('what the code has and the database has not is pending', async t => {
  const { db } = await testDatabase(t)
  const last = files.at(-1)!.replace('.sql', '')
  await db.pool.query('delete from schema_migrations where name = $1', [last])
  t.same(await pendingMigrations(db.pool), [last])
})
