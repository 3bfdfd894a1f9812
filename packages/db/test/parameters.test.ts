import { firstWorkspace, testDatabase } from '@parley/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'

t.test('an array reaches Postgres as it is, whatever its elements hold', async t => {
  const { db } = await testDatabase(t)
  const { workspace_id } = await firstWorkspace(db)
  const special = fc.constantFrom('', 'NULL', 'null', '"', '\\', '\\"', '{}', '{"a"}', ',', ' ', '\n', "'", '\u{1f600}')
  const text = fc.oneof(
    special,
    fc.string({ unit: 'binary' }).map(written => written.replaceAll('\0', '')),
  )
  const column = <T>(element: fc.Arbitrary<T>) => fc.array(fc.option(element), { maxLength: 20 })
  const date = fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
  await fc.assert(
    fc.asyncProperty(column(text), column(fc.integer()), column(date), async (texts, numbers, dates) => {
      await db.inWorkspace(workspace_id, async trx => {
        const { rows } = await sql`
          select ${texts}::text[] as texts, ${numbers}::float8[] as numbers, ${dates}::timestamptz[] as dates`.execute(
          trx,
        )
        t.strictSame(rows, [{ texts, numbers, dates }])
      })
    }),
  )
})

t.test('an array of objects is refused before it is sent', async t => {
  const { db } = await testDatabase(t)
  const { workspace_id } = await firstWorkspace(db)
  const sent = db.inWorkspace(workspace_id, trx => sql`select ${[{ a: 1 }]}::jsonb[]`.execute(trx))
  await t.rejects(sent, { name: 'TypeError' })
})
