import { applyChange, changeContact, correctTriage, describeTriage, mergeContacts, triageEvents } from '@parley/core'
import { appendEvents, type EventRow, listTriage, lockConversation } from '@parley/db'
import { SYSTEM, type TriageModel } from '@parley/domain'
import { until } from '@parley/testing'
import { lexiconModel } from '@parley/triage'
import fc from 'fast-check'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { levelWithLog } from './level.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const author = (external_id: string) => ({ external_id, handle: external_id, display_name: null, avatar_url: null })
const HOUR_MS = 3_600_000

/** A workspace in which the consumer has its place. */
async function openTriage(t: Test) {
  const worker = await openWorker(t, fakeConnector())
  const { ctx, run } = worker
  const channel = await worker.addChannel()
  const consumers = FEED_CONSUMERS.filter(({ name }) => name === 'triage')
  const feeds = new Feeds(ctx, consumers)
  t.teardown(() => feeds.close())
  const level = () => levelWithLog(feeds, worker, 'triage')
  await level()
  /** What came is in the log; nobody has triaged it yet. */
  const arrive = async (...payloads: unknown[]) => {
    await worker.accept(channel, payloads)
    await drain(ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  }
  const receive = async (...payloads: unknown[]) => {
    await arrive(...payloads)
    await level()
  }
  const idOf = (external_id: string) =>
    run(async trx => {
      const query = trx.selectFrom('messages').select('id').where('external_id', '=', external_id)
      return (await query.executeTakeFirstOrThrow()).id
    })
  const of = async (external_id: string) => {
    const id = await idOf(external_id)
    const [row] = await run(trx => listTriage(trx, [id]))
    return row && describeTriage(row)
  }
  const triaged = () =>
    run(trx =>
      trx
        .selectFrom('events')
        .selectAll()
        .where('type', '=', 'message.triaged')
        .orderBy('xact')
        .orderBy('seq')
        .execute(),
    )
  const rows = () => run(trx => trx.selectFrom('message_triage').selectAll().orderBy('message_id').execute())
  const conversation = (thread_key = 't-1') =>
    run(trx =>
      trx.selectFrom('conversations').selectAll().where('thread_key', '=', thread_key).executeTakeFirstOrThrow(),
    )
  const events = () =>
    run(trx => trx.selectFrom('events').selectAll().orderBy('xact').orderBy('seq').execute()) as Promise<EventRow[]>
  const agent = await run(async trx => {
    const { id } = await trx.selectFrom('users').select('id').executeTakeFirstOrThrow()
    return { type: 'user' as const, id }
  })
  return { ...worker, channel, level, arrive, receive, idOf, of, triaged, rows, conversation, events, agent }
}

const said = (minutes: number) => {
  const time = new Date(at('09:00:00').getTime() + minutes * 60_000).toISOString()
  return { occurred_at: time, version_at: time }
}

t.test('a complaint is told from praise, and why is said in words', async t => {
  const { receive, of, triaged, conversation, clock } = await openTriage(t)
  clock.now = at('12:00:00')
  await receive(
    comment('m-1', { text: 'My parcel arrived broken. Why does nobody answer?', ...said(0) }),
    comment('m-2', { thread_key: 't-2', author: author('ben'), text: 'Thank you, great job 😍', ...said(1) }),
    comment('m-3', { thread_key: 't-3', author: author('cy'), text: '@anna', ...said(2) }),
  )
  t.match(await of('m-1'), {
    sentiment: 'complaint',
    question: true,
    language: 'en',
    rank: 80,
    proposed_priority: 'high',
    proposed_disposition: null,
    explanation: 'Complaint: "broken"; Asks a question: "Why", "?"',
    model: 'lexicon',
    corrected: [],
  })
  t.match(await of('m-2'), { sentiment: 'praise', proposed_priority: 'low', proposed_disposition: 'acknowledged' })
  t.match(await of('m-3'), { content: 'mention_only', proposed_disposition: 'no_reply_needed' })
  const events = await triaged()
  t.equal(events.length, 3)
  t.match(events[0], { conversation_id: (await conversation()).id, actor_type: 'system' })
  const text = JSON.stringify(events)
  for (const word of ['broken', 'Thank', 'anna', 'parcel']) t.notOk(text.includes(word), `the log does not say ${word}`)
  t.match(events[0]!.data, { sentiment: 'complaint', rank: 80, reasons: ['complaint', 'question'] })
})

t.test('nothing is answered, hidden, closed or moved by it', async t => {
  const { receive, conversation, run } = await openTriage(t)
  await receive(comment('m-1', { text: '👍' }))
  t.match(await conversation(), { status: 'open', priority: 'normal', assignee_id: null })
  t.same(await run(trx => trx.selectFrom('message_actions').select('id').execute()), [])
  t.equal((await run(trx => trx.selectFrom('messages').select('id').execute())).length, 1)
})

t.test('history, programs and our own words are left alone', async t => {
  const { arrive, rows, reply, run, level } = await openTriage(t)
  await arrive(
    comment('m-1', { text: 'It arrived broken' }),
    comment('m-2', { text: 'I am out of office, sorry', automatic: true }),
    comment('m-3', { text: 'We are sorry for the delay', from_us: true }),
    comment('m-4', { text: 'Hello' }),
  )
  await run(trx => trx.updateTable('messages').set({ from_history: true }).where('external_id', '=', 'm-1').execute())
  await reply()
  await level()
  t.equal((await rows()).length, 1)
})

t.test('an edit is judged anew, a deletion leaves nothing, and events that come again change nothing', async t => {
  const { receive, of, rows, triaged, run, idOf, level, clock } = await openTriage(t)
  await receive(comment('m-1', { text: 'It arrived broken' }))
  await receive(comment('m-1', { text: 'Thank you, it works perfectly', version_at: at('09:30:00').toISOString() }))
  t.match(await of('m-1'), { sentiment: 'praise', language: 'en' })
  t.equal((await triaged()).length, 2)
  const before = await rows()
  const id = await idOf('m-1')
  const say = (data: Record<string, unknown>) => ({
    type: 'message.received' as const,
    at: clock.now,
    actor: SYSTEM,
    data,
  })
  await run(trx => appendEvents(trx, [{}, { message_id: null }, { message_id: 'x' }, { message_id: id }].map(say)))
  await level()
  t.same([await rows(), (await triaged()).length], [before, 2])
  await receive({ type: 'deletion', external_id: 'm-1', version_at: at('09:40:00').toISOString() })
  t.same([await rows(), (await triaged()).length], [[], 2])
})

t.test('the words of an edited text are not taken from its old places', async t => {
  const { receive, arrive, of } = await openTriage(t)
  await receive(comment('m-1', { text: 'It arrived broken' }))
  await arrive(comment('m-1', { text: 'Something else here', version_at: at('09:30:00').toISOString() }))
  t.match(await of('m-1'), { explanation: 'Complaint', reasons: [{ code: 'complaint', words: [] }] })
})

t.test('who writes again without an answer comes first, also in another conversation and after a merge', async t => {
  const { receive, of, reply, level, run, agent, clock } = await openTriage(t)
  clock.now = at('12:00:00')
  await receive(comment('m-1', { text: 'Hello', ...said(0) }))
  await receive(comment('m-2', { text: 'Hello', ...said(1) }), comment('m-3', { text: 'Hello', ...said(2) }))
  t.match(await of('m-1'), { rank: 50, repeat_contact: { unanswered_24h: 1, unanswered_7d: 1, conversations_7d: 1 } })
  t.match(await of('m-2'), { rank: 60 })
  t.match(await of('m-3'), {
    rank: 70,
    proposed_priority: 'high',
    explanation: 'Writes again: 3 messages in 24 hours without an answer',
  })
  await receive(comment('m-4', { text: 'Hello', thread_key: 't-2', ...said(3) }))
  t.match(await of('m-4'), { rank: 80, repeat_contact: { unanswered_24h: 4, conversations_7d: 2 } })

  await receive(comment('b-1', { author: author('ana.other'), thread_key: 't-3', text: 'Hello', ...said(4) }))
  t.match(await of('b-1'), { rank: 50 })
  const [into, from] = await run(trx =>
    trx.selectFrom('contact_identities').select('contact_id').orderBy('external_id').execute(),
  )
  await run(trx =>
    mergeContacts(trx, { into_id: into!.contact_id, from_id: from!.contact_id, dry_run: false }, agent, clock.now),
  )
  await receive(comment('b-2', { author: author('ana.other'), thread_key: 't-3', text: 'Hello', ...said(5) }))
  t.match(await of('b-2'), { repeat_contact: { unanswered_24h: 6, conversations_7d: 3 } })
  await reply()
  await level()
})

t.test('what was answered does not count as writing again', async t => {
  const { receive, of, clock } = await openTriage(t)
  clock.now = at('12:00:00')
  await receive(comment('m-1', { text: 'Hello', ...said(0) }))
  await receive(comment('us-1', { text: 'Hello Ana', from_us: true, parent_external_id: 'm-1', ...said(1) }))
  await receive(comment('m-2', { text: 'Hello', ...said(2) }))
  t.match(await of('m-2'), { rank: 50, repeat_contact: { unanswered_24h: 1, unanswered_7d: 1, conversations_7d: 1 } })
})

t.test('a conversation has the language of most of its customers’ messages, until somebody says otherwise', async t => {
  const { receive, conversation, run, agent, clock, events } = await openTriage(t)
  const german = (id: string, minutes: number) =>
    comment(id, { text: 'Wann kommt denn mein Paket endlich an', ...said(minutes) })
  const english = (id: string, minutes: number) =>
    comment(id, { text: 'When will my parcel finally arrive please', ...said(minutes) })
  clock.now = at('12:00:00')
  await receive(comment('m-0', { text: 'ok', ...said(0) }))
  t.match(await conversation(), { language: null, language_source: null })
  await receive(german('m-1', 1))
  const { version } = await conversation()
  t.match(await conversation(), { language: 'de', language_source: 'detected' })
  await receive(english('m-2', 2))
  t.match(await conversation(), { language: 'de' }, 'on a tie it stays')
  t.ok((await conversation()).version > version)
  await receive(english('m-3', 3))
  t.match(await conversation(), { language: 'en', language_source: 'detected' })

  const contact_id = (await conversation()).contact_id!
  await run(trx => changeContact(trx, contact_id, { language: 'fr' }, 1, agent, clock.now))
  await receive(english('m-4', 4))
  t.match(await conversation(), { language: 'fr', language_source: 'contact' }, 'the contact’s own wish')

  const change = (language: string | null) =>
    run(async trx =>
      applyChange(trx, (await lockConversation(trx, (await conversation()).id))!, { language }, agent, clock.now),
    )
  await change('fr')
  t.match(await conversation(), { language: 'fr', language_source: 'person' }, 'who confirms it makes it theirs')
  await change('it')
  await receive(english('m-5', 5))
  t.match(await conversation(), { language: 'it', language_source: 'person' })
  await change(null)
  t.match(await conversation(), { language: null, language_source: null })
  await receive(english('m-6', 6))
  t.match(await conversation(), { language: 'fr', language_source: 'contact' })
  const told = (await events()).filter(({ type }) => type === 'conversation.updated').map(({ data }) => data)
  t.match(told[0], { language: 'de', language_source: 'detected' })
})

t.test('a language is found out also while somebody else changes the conversation', async t => {
  const { arrive, conversation, run, events, clock } = await openTriage(t)
  await arrive(comment('m-1', { text: 'Wann kommt denn mein Paket endlich an' }))
  const { id } = await conversation()
  const received = (await events()).filter(({ type }) => type === 'message.received')
  let triage: Promise<number> | undefined
  await run(async trx => {
    await trx.updateTable('conversations').set({ priority: 'high' }).where('id', '=', id).execute()
    triage = run(other => triageEvents(other, received, lexiconModel, clock.now))
    await until('triage waits for the conversation', async () => {
      const { rows } = await sql<{ waits: boolean }>`
        select exists (select from pg_locks where not granted) as waits`.execute(trx)
      return rows[0]!.waits
    })
  })
  await triage
  t.match(await conversation(), { language: 'de', priority: 'high' })
})

t.test('what a person said of a message is not said otherwise by a model', async t => {
  const { receive, of, run, idOf, agent, clock, triaged, conversation } = await openTriage(t)
  await receive(comment('m-1', { text: 'Great, another update that deletes all my photos' }))
  t.match(await of('m-1'), { sentiment: 'praise', proposed_disposition: 'acknowledged' })
  const id = await idOf('m-1')
  const correct = () => run(trx => correctTriage(trx, id, { sentiment: 'complaint', language: 'nl' }, agent, clock.now))
  await correct()
  await correct()
  const corrected = {
    sentiment: 'complaint',
    language: 'nl',
    proposed_priority: 'high',
    proposed_disposition: null,
    explanation: 'Complaint',
    corrected: ['sentiment', 'language'],
  }
  t.match(await of('m-1'), corrected)
  t.match(await conversation(), { language: 'nl' })
  t.match(
    (await triaged()).map(event => event.actor_type),
    ['system', 'user'],
    'twice is once',
  )
  await receive(comment('m-1', { text: 'Great, I love it. Where is it', version_at: at('09:30:00').toISOString() }))
  t.match(await of('m-1'), { ...corrected, explanation: 'Complaint; Asks a question: "Where"', question: true })
})

t.test('a correction that is made while its message is judged again is not lost', async t => {
  const { arrive, receive, run, events, clock, agent, idOf, of } = await openTriage(t)
  await receive(comment('m-1', { text: 'It arrived broken' }))
  await arrive(comment('m-1', { text: 'It arrived broken, really', version_at: at('09:30:00').toISOString() }))
  const id = await idOf('m-1')
  const edited = (await events()).filter(({ type }) => type === 'message.updated')
  let triage: Promise<number> | undefined
  await run(async trx => {
    await correctTriage(trx, id, { sentiment: 'praise' }, agent, clock.now)
    triage = run(other => triageEvents(other, edited, lexiconModel, clock.now))
    await until('triage waits for the correction', async () => {
      const { rows } = await sql<{ waits: boolean }>`
        select exists (select from pg_locks where not granted) as waits`.execute(trx)
      return rows[0]!.waits
    })
  })
  await triage
  t.match(await of('m-1'), { sentiment: 'praise', corrected: ['sentiment'] })
})

t.test('events in any order, cut in any way and any number of times leave the same behind', async t => {
  const { arrive, run, events, rows, clock } = await openTriage(t)
  clock.now = at('12:00:00')
  await arrive(
    ...['Hello', 'It arrived broken', '😍', 'Wann kommt denn mein Paket endlich an', '@ben', 'Thank you'].map(
      (text, index) => comment(`m-${index}`, { text, thread_key: `t-${index % 2}`, ...said(index) }),
    ),
  )
  await arrive(
    comment('m-1', { text: 'It works now', thread_key: 't-1', ...said(1), version_at: at('10:00:00').toISOString() }),
  )
  await arrive({ type: 'deletion', external_id: 'm-5', version_at: at('10:30:00').toISOString() })
  const all = (await events()).filter(({ type }) => type.startsWith('message.'))
  const stand = async () =>
    (await rows()).map(({ unanswered_24h: _, unanswered_7d: __, conversations_7d: ___, rank: ____, ...row }) => ({
      ...row,
      proposed_priority: null,
      reasons: null,
    }))
  const clear = () => run(trx => trx.deleteFrom('message_triage').execute())
  const handle = (page: EventRow[]) => run(trx => triageEvents(trx, page, lexiconModel, clock.now))
  await clear()
  await handle(all)
  const expected = await stand()
  t.equal(expected.length, 5)
  const orders = fc.tuple(
    fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
  )
  await fc.assert(
    fc.asyncProperty(orders, async ([order, cuts]) => {
      await clear()
      for (let first = 0, cut = 0; first < order.length; cut += 1) {
        const size = cuts[cut % cuts.length]!
        await handle(order.slice(first, first + size))
        first += size
      }
      return JSON.stringify(await stand()) === JSON.stringify(expected)
    }),
    { numRuns: 15 },
  )
})

t.test('another model judges again what is told of again, and says which it is', async t => {
  const { receive, run, events, rows, clock } = await openTriage(t)
  await receive(comment('m-1', { text: 'Hello' }))
  const all = await events()
  const other: TriageModel = {
    ...lexiconModel,
    version: '2',
    assess: (text, known) => ({ ...lexiconModel.assess(text, known), question: true }),
  }
  await run(trx => triageEvents(trx, all, other, clock.now))
  t.match(await rows(), [{ model: 'lexicon', model_version: '2', question: true, rank: 60 }])
})

t.test('it takes a few statements, however many messages a page has', async t => {
  const { arrive, run, events, clock } = await openTriage(t)
  const texts = Array.from({ length: 60 }, (_, index) =>
    comment(`m-${index}`, { text: 'It arrived broken', thread_key: `t-${index}`, author: author(`a-${index}`) }),
  )
  await arrive(...texts)
  const all = (await events()).filter(({ type }) => type === 'message.received')
  const statements = async (page: EventRow[]) => {
    let count = 0
    await run(async trx => {
      const counting = trx.withPlugin({
        transformQuery: ({ node }) => {
          count += 1
          return node
        },
        transformResult: async ({ result }) => result,
      })
      await triageEvents(counting as typeof trx, page, lexiconModel, clock.now)
    })
    return count
  }
  const few = await statements(all.slice(0, 2))
  const many = await statements(all.slice(2))
  t.ok(few > 0 && many <= few + 1, `${few} and ${many}`)
})

t.test('of who is erased nothing is left, even where it was judged meanwhile', async t => {
  const { receive, rows, run, clock, level } = await openTriage(t)
  await receive(
    comment('m-1', { text: 'It arrived broken' }),
    comment('m-2', { author: author('ben'), text: 'It arrived broken' }),
  )
  const [one] = await rows()
  await run(trx =>
    appendEvents(trx, [
      { type: 'contact.erased', at: clock.now, actor: SYSTEM, data: { contact_id: one!.contact_id } },
    ]),
  )
  await level()
  t.same(
    (await rows()).map(({ contact_id }) => contact_id === one!.contact_id),
    [false],
  )
})

t.test('what is older than a week does not count', async t => {
  const { receive, of, clock } = await openTriage(t)
  const time = (hours: number) => {
    const stamp = new Date(at('09:00:00').getTime() + hours * HOUR_MS).toISOString()
    return { occurred_at: stamp, version_at: stamp }
  }
  clock.now = new Date(at('09:00:00').getTime() + 300 * HOUR_MS)
  await receive(
    comment('m-1', { text: 'Hello', ...time(0) }),
    comment('m-2', { text: 'Hello', ...time(100) }),
    comment('m-3', { text: 'Hello', ...time(169) }),
  )
  t.match(await of('m-3'), { repeat_contact: { unanswered_24h: 1, unanswered_7d: 2 } })
  t.match(await of('m-3'), { explanation: 'Writes again: 2 messages in 7 days without an answer' })
})
