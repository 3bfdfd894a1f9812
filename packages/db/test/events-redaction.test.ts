import { firstWorkspace, testDatabase } from '@parley/testing'
import { sql } from 'kysely'
import t from 'tap'
import { newId, sqlState } from '../src/index.ts'

const { db } = await testDatabase(t)
const { workspace_id } = await firstWorkspace(db)

/** What becomes of an event whose data is to be changed. */
async function change(before: unknown, after: unknown): Promise<'done' | string | undefined> {
  const id = newId(new Date())
  return db
    .inWorkspace(workspace_id, async trx => {
      const event = { id, type: 'note.created', at: new Date(), actor_type: 'system' as const }
      await trx
        .insertInto('events')
        .values({ ...event, data: JSON.stringify(before) })
        .execute()
      await sql`update events set data = ${JSON.stringify(after)}::json where id = ${id}`.execute(trx)
      return 'done'
    })
    .catch(sqlState)
}

const DATA = {
  name: 'Ana',
  count: 3,
  at: null,
  yes: true,
  list: ['Ana', { handle: 'ana', 'a"b': 'x' }],
  odd: 'a\u0000b',
}

t.test('a text of the log may become [erased], wherever it stands', async t => {
  const allowed = [
    DATA,
    { ...DATA, name: '[erased]' },
    { ...DATA, list: ['[erased]', { handle: '[erased]', 'a"b': 'x' }] },
    { ...DATA, odd: '[erased]' },
    { ...DATA, list: ['Ana', { handle: 'ana', 'a"b': '[erased]' }] },
  ]
  for (const after of allowed) t.equal(await change(DATA, after), 'done', JSON.stringify(after))
})

t.test('nothing else of it changes', async t => {
  const { name: _, ...without } = DATA
  const refused = [
    ...[
      { ...DATA, name: 'Ben' },
      { ...DATA, name: '' },
      { ...DATA, name: null },
      { ...DATA, name: '[erased] ' },
    ],
    ...[
      { ...DATA, count: 4 },
      { ...DATA, count: '[erased]' },
      { ...DATA, at: '[erased]' },
      { ...DATA, yes: false },
    ],
    ...[
      { ...DATA, list: ['Ana'] },
      { ...DATA, list: [...DATA.list, 'x'] },
      { ...DATA, list: '[erased]' },
    ],
    ...[{ ...DATA, list: [DATA.list[1], DATA.list[0]] }, { ...DATA, more: 'x' }, without, '[erased]', null, []],
  ]
  for (const after of refused) t.equal(await change(DATA, after), '42501', JSON.stringify(after))
})
