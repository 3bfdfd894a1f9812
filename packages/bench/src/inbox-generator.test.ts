import { randomUUID } from 'node:crypto'
import { indexMessages } from '@parley/db'
import { firstWorkspace, testDatabase, testEnvironment } from '@parley/testing'
import pg from 'pg'
import t from 'tap'
import { fillInbox, searchedWords } from './inbox-generator.ts'

t.test('the made search index is the one that the product writes', async t => {
  const { db, url } = await testDatabase(t)
  const { workspace_id, inbox_id } = await firstWorkspace(db)
  const superuser = new URL((await testEnvironment()).postgresUrl)
  superuser.pathname = new URL(url).pathname
  const client = new pg.Client({ connectionString: superuser.href })
  await client.connect()
  t.teardown(() => client.end())
  const count = 40
  await fillInbox(client, { workspace_id, inbox_id, channel_id: randomUUID() }, count, () => {})
  const read = async () => (await client.query('select * from search_documents order by id')).rows
  const made = await read()
  t.equal(made.length, 5 * count)
  const { rows } = await client.query('select id, body from messages')
  const { single, frequent } = searchedWords(count)
  t.equal(rows.filter(({ body }) => body.split(' ').includes(single)).length, 1)
  t.equal(rows.filter(({ body }) => body.split(' ').includes(frequent)).length, 2)
  await client.query('truncate search_documents')
  await db.inWorkspace(workspace_id, trx =>
    indexMessages(
      trx,
      rows.map(({ id }) => id),
    ),
  )
  t.same(await read(), made)
})
