import { writeTableTypes } from '@parley/testing'
import t from 'tap'
import { migrate, openDatabase } from '../src/index.ts'
import { emptyDatabase } from './catalogue.ts'

// A database of our own migrations alone: the one that other tests copy holds the queue's tables as well.
t.test('the table types are those of the migrated database', async t => {
  const url = await emptyDatabase(t)
  await migrate(url)
  await t.resolves(writeTableTypes(url, { verify: true }), 'otherwise run npm run db:types and commit what it writes')

  const db = openDatabase({ url })
  t.teardown(() => db.close())
  await db.pool.query('alter table contacts add column forgotten text')
  await t.rejects(writeTableTypes(url, { verify: true }), 'a column that the types do not know is noticed')
})
