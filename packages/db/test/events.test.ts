import { setTimeout as delay } from 'node:timers/promises'
import { firstWorkspace, testDatabase, until } from '@parley/testing'
import t from 'tap'
import {
  appendEvents,
  currentEventPosition,
  type EventPosition,
  isNews,
  listConversationEvents,
  listEventsAfter,
  newId,
  type Trx,
} from '../src/index.ts'

const { db } = await testDatabase(t)
const { workspace_id } = await firstWorkspace(db)
const START: EventPosition = { xact: '0', seq: 0 }

const append = (trx: Trx, name: string, conversation_id: string | null = null) =>
  appendEvents(trx, [
    { type: 'note.created', at: new Date(), actor: { type: 'system', id: null }, conversation_id, data: { name } },
  ])
const read = (after: EventPosition, limit = 1000) =>
  db.inWorkspace(workspace_id, trx => listEventsAfter(trx, after, limit))
/** Other databases of the server hold a reader up as well while they write, so what is readable comes in a moment. */
const readAtLeast = (after: EventPosition, count: number) =>
  until(`${count} events are readable`, async () => {
    const rows = await read(after)
    return rows.length >= count && rows
  })
const names = (rows: { data: unknown }[]) => rows.map(({ data }) => (data as { name: string }).name)
const gate = () => {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { open, opened }
}

/** A transaction that has written, and stands still until it is told to commit. */
async function holdWriter(name: string, writeFirst: boolean) {
  const [begun, go] = [gate(), gate()]
  const done = db.inWorkspace(workspace_id, async trx => {
    if (writeFirst) await append(trx, name)
    else await currentEventPosition(trx)
    begun.open()
    await go.opened
    if (!writeFirst) await append(trx, name)
  })
  await begun.opened
  return {
    commit: async () => {
      go.open()
      await done
    },
  }
}

t.test('what began earlier and commits later is not skipped', async t => {
  const early = await holdWriter('early', true)
  await db.inWorkspace(workspace_id, trx => append(trx, 'late'))
  t.same(names(await read(START)), [], 'the later one waits for the earlier one')
  const seen = await db.inWorkspace(workspace_id, currentEventPosition)
  await early.commit()
  t.same(names(await readAtLeast(START, 2)), ['early', 'late'])
  const heard = (await read(seen)).filter(event => isNews(event, seen))
  t.same(names(heard), ['early'], 'who began in between hears what was not committed by then')
})

t.test('a transaction that began earlier and writes later comes later', async t => {
  const position = (await read(START)).at(-1)!
  const early = await holdWriter('began first', false)
  await db.inWorkspace(workspace_id, trx => append(trx, 'wrote first'))
  const first = await readAtLeast(position, 1)
  t.same(names(first), ['wrote first'], 'nothing that may come before it is on its way')
  await early.commit()
  t.same(names(await readAtLeast(first.at(-1)!, 1)), ['began first'])
})

t.test('what is rolled back is never read, and holds nobody up', async t => {
  const position = (await read(START)).at(-1)!
  const failed = db.inWorkspace(workspace_id, async trx => {
    await append(trx, 'rolled back')
    throw new Error('a bug')
  })
  await t.rejects(failed, { message: 'a bug' })
  await db.inWorkspace(workspace_id, trx => append(trx, 'kept'))
  t.same(names(await readAtLeast(position, 1)), ['kept'])
})

t.test('however writers overlap, a reader gets each event once and in an order that stays', async t => {
  const WRITERS = 6
  const EACH = 25
  let position: EventPosition = (await read(START)).at(-1)!
  const from = position
  const heard: string[] = []
  let writing = WRITERS
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let index = 0; index < EACH; index += 1) {
      await db.inWorkspace(workspace_id, async trx => {
        await append(trx, `${writer}-${index}-a`)
        await delay(Math.random() * 8)
        await append(trx, `${writer}-${index}-b`)
      })
    }
    writing -= 1
  })
  const look = async () => {
    const rows = await read(position, 7)
    heard.push(...names(rows))
    position = rows.at(-1) ?? position
    return rows.length
  }
  while (writing > 0) await look()
  await Promise.all(writers)
  const all = WRITERS * EACH * 2
  await until('everything is read', async () => (await look()) === 0 && heard.length >= all)
  t.equal(heard.length, all)
  t.equal(new Set(heard).size, heard.length)
  t.same(heard, names(await read(from)), 'the order read meanwhile is the order of the log')
  for (let writer = 0; writer < WRITERS; writer += 1) {
    const own = heard.filter(name => name.startsWith(`${writer}-`))
    const expected = Array.from({ length: EACH }, (_, index) => [`${writer}-${index}-a`, `${writer}-${index}-b`]).flat()
    t.same(own, expected, 'what one writer did comes in the order they did it')
  }
})

t.test("a conversation's own events come from the log, oldest first", async t => {
  const conversation_id = newId(new Date())
  for (const name of ['1', '2', '3', '4', '5']) {
    await db.inWorkspace(workspace_id, trx => append(trx, name, name === '3' ? null : conversation_id))
  }
  const page = (after: EventPosition, limit: number) =>
    db.inWorkspace(workspace_id, trx => listConversationEvents(trx, conversation_id, { limit, after }))
  const first = await page(START, 2)
  t.same(names(first), ['1', '2'])
  t.same(names(await page(first.at(-1)!, 10)), ['4', '5'])
})
