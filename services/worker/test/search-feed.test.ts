import { addNote } from '@parley/core'
import { appendEvents } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { sql } from 'kysely'
import t from 'tap'
import { FEED_CONSUMERS as ALL } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { levelWithLog } from './level.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const FEED_CONSUMERS = ALL.filter(({ name }) => name === 'search')
const worker = await openWorker(t, fakeConnector())
const { ctx, run, clock } = worker
const channel = await worker.addChannel()
const receive = async (...payloads: unknown[]) => {
  await worker.accept(channel, payloads)
  await drain(ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
}
/** What the index finds, as texts of messages. */
const found = async (word: string): Promise<string[]> =>
  run(async trx => {
    const { rows } = await sql<{ body: string }>`
      select coalesce(m.body, c.subject) as body
      from search_documents d left join messages m on m.id = d.id left join conversations c on c.id = d.id
      where d.terms @@ websearch_to_tsquery('parley_search', ${word}) order by d.at, d.id`.execute(trx)
    return rows.map(row => row.body)
  })
const named = async (word: string): Promise<string[]> =>
  run(async trx => {
    const { rows } = await sql<{ names: string }>`
      select names from search_contacts where terms @@ websearch_to_tsquery('parley_search', ${word})`.execute(trx)
    return rows.map(row => row.names)
  })
const level = (feeds: Feeds) => levelWithLog(feeds, { run }, 'search')

t.test('what was there before the index is in it, and how far it has come can be seen', async t => {
  const author = { external_id: 'zoe', handle: 'zoe.shop', display_name: 'Zoë Müller', avatar_url: null }
  await receive(comment('m-1', { text: 'A walrus, <really>.', subject: 'About Größe', author }))
  const feeds = new Feeds(ctx, FEED_CONSUMERS)
  const state = await level(feeds)
  t.ok(state.handled >= 2)
  t.same(await found('walrus'), ['A walrus, <really>.'])
  t.same(await found('really'), ['A walrus, <really>.'], 'also what looks like a tag')
  t.same(await found('grosse'), ['About Größe'])
  t.same(await named('muller'), ['zoe muller zoe.shop'])
  t.same(await named('shop'), ['zoe muller zoe.shop'])
  await feeds.close()
})

t.test('edits replace, deletions leave, notes and replies come in', async t => {
  const feeds = new Feeds(ctx, FEED_CONSUMERS)
  await receive(comment('m-2', { thread_key: 't-1', text: 'A narwhal.' }))
  await level(feeds)
  t.same(await found('narwhal'), ['A narwhal.'])
  const edit = { text: 'A dolphin.', version_at: at('09:30:00').toISOString() }
  await receive(comment('m-2', { thread_key: 't-1', ...edit }))
  await level(feeds)
  t.same([await found('narwhal'), await found('dolphin')], [[], ['A dolphin.']])

  const { conversation_id } = await run(trx =>
    trx.selectFrom('messages').selectAll().limit(1).executeTakeFirstOrThrow(),
  )
  const author = {
    type: 'user' as const,
    id: (await run(trx => trx.selectFrom('users').select('id').executeTakeFirstOrThrow())).id,
  }
  await run(trx => addNote(trx, { conversation_id, author, body: 'Ask the zookeeper.' }, clock.now))
  await worker.reply()
  await level(feeds)
  t.same(await found('zookeeper'), ['Ask the zookeeper.'])
  t.same(await found('arrives today'), ['It arrives today.'])

  await receive({ type: 'deletion', external_id: 'm-2', version_at: at('09:40:00').toISOString() })
  await level(feeds)
  t.same(await found('dolphin'), [])
  await feeds.close()
})

t.test('events that come twice, late or about nothing change nothing', async t => {
  const feeds = new Feeds(ctx, FEED_CONSUMERS)
  await level(feeds)
  const contents = () => run(trx => trx.selectFrom('search_documents').selectAll().orderBy('id').execute())
  const before = await contents()
  const [message] = await worker.messages()
  const say = (data: unknown) => ({
    type: 'message.received' as const,
    at: clock.now,
    actor: SYSTEM,
    data: data as Record<string, unknown>,
  })
  const nothing = [{}, { message_id: null }, { message_id: 'x' }, { message_id: worker.workspace_id }]
  await run(trx => appendEvents(trx, [say({ message_id: message!.id }), ...nothing.map(say)]))
  await level(feeds)
  t.same(await contents(), before)
  t.equal((await run(trx => trx.selectFrom('feed_failures').select('id').execute())).length, 0)
  await feeds.close()
})

t.test('a contact that is called otherwise is found by what it is called now', async t => {
  const feeds = new Feeds(ctx, FEED_CONSUMERS)
  const author = { external_id: 'zoe', handle: 'zoe.shop', display_name: 'Zoë Schmidt', avatar_url: null }
  const later = at('09:50:00').toISOString()
  await receive(comment('m-3', { author, occurred_at: later, version_at: later }))
  await level(feeds)
  t.same([await named('muller'), await named('schmidt')], [[], ['zoe schmidt zoe.shop']])
  await feeds.close()
})

t.test('who is erased cannot be found any more, nor what was said to them, once the log says so', async t => {
  const feeds = new Feeds(ctx, FEED_CONSUMERS)
  const author = { external_id: 'vic', handle: 'vic.shop', display_name: 'Victoria', avatar_url: null }
  await receive(comment('m-9', { thread_key: 't-9', author, text: 'An ocelot of mine.', subject: 'Ocelots' }))
  await level(feeds)
  t.same((await found('ocelot or ocelots')).sort(), ['An ocelot of mine.', 'Ocelots'])
  const { id, conversation_id, contact_id } = await run(trx =>
    trx.selectFrom('messages').selectAll().where('external_id', '=', 'm-9').executeTakeFirstOrThrow(),
  )
  const person = (await run(trx => trx.selectFrom('users').select('id').executeTakeFirstOrThrow())).id
  const note = { conversation_id, author: { type: 'user' as const, id: person }, body: 'Victoria has an ocelot.' }
  const { id: note_id } = await run(trx => addNote(trx, note, clock.now))
  await level(feeds)
  t.same(await named('victoria'), ['victoria vic.shop'])
  await run(async trx => {
    await trx.updateTable('messages').set({ body: '' }).where('id', '=', id).execute()
    await trx.updateTable('messages').set({ body: '[erased]' }).where('id', '=', note_id).execute()
    await trx.updateTable('conversations').set({ subject: null }).where('id', '=', conversation_id).execute()
    await trx.updateTable('contacts').set({ name: '[erased]' }).where('id', '=', contact_id!).execute()
    await trx.deleteFrom('contact_identities').where('contact_id', '=', contact_id!).execute()
    const event = { type: 'contact.erased' as 'message.deleted', at: clock.now, actor: SYSTEM }
    await appendEvents(trx, [{ ...event, data: { contact_id } }])
  })
  await level(feeds)
  t.same([await found('ocelot or ocelots or victoria'), await named('victoria')], [[], []])
  const { rows } = await run(trx =>
    sql`select from search_documents where terms::text ~ 'ocelot|victoria'
      union all select from search_contacts where names ~ 'victoria' or terms::text ~ 'victoria'`.execute(trx),
  )
  t.equal(rows.length, 0)
  await feeds.close()
})
