import { readdir, readFile } from 'node:fs/promises'
import { MalformedPayload } from '@parley/connectors'
import type { ConnectorEvent } from '@parley/contracts'
import {
  acceptInbound,
  addContactNote,
  addNote,
  answerContext,
  answerQuestion,
  askExpert,
  beginErasure,
  beginSendAttempt,
  changeContact,
  changeConversation,
  checkClocks,
  createAttribute,
  createCalendar,
  createPolicy,
  createTask,
  dismissMessage,
  finishSendAttempt,
  flagMessage,
  followPosts,
  keepBlob,
  ledgerEntries,
  mergeContacts,
  pauseChannel,
  queueReply,
  saveDraft,
  seal,
  triageEvents,
  undismissMessage,
  unseal,
} from '@parley/core'
import {
  type Channel,
  type ContactErasure,
  type Database,
  findConversation,
  findErasure,
  insertConversationAddresses,
  insertMessageAction,
  newId,
  storeAnswer,
  updateInbox,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { capabilities, has, TEST_SECRET_KEY, testEnvironment } from '@parley/testing'
import { lexiconModel } from '@parley/triage'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { WorkerContext } from '../src/context.ts'
import { eraseContacts } from '../src/processors/erasures.ts'
import { at, comment, drain, fakeConnector, type OpenWorker, openWorker } from './processing.ts'

const CANARY = {
  external_id: 'canary-account',
  handle: 'canary_handle',
  display_name: 'Canary Quill',
  avatar_url: 'https://example.com/canary.png',
}
const ALWAYS = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))

const connector = fakeConnector({
  kind: 'mastodon',
  normalise: (_channel, payload) => {
    if ((payload as { type: string }).type === 'broken') throw new MalformedPayload('it has no author')
    return payload as ConnectorEvent
  },
})

const accept = (worker: OpenWorker, channel: Channel, events: [string, unknown][], now = worker.clock.now) =>
  worker.run(trx =>
    acceptInbound(
      trx,
      ledgerEntries(
        channel.id,
        events.map(([dedup_key, payload]) => ({ dedup_key, thread_key: 't', payload })),
        'webhook',
        now,
      ),
    ),
  )

const delivery = () => ({ capabilities: capabilities(), pulled: false, countedText: (text: string) => text })

/** A workspace that knows a customer by every means there is, and another one who wrote in the same thread. */
async function knowThem(t: Test) {
  const worker = await openWorker(t, connector)
  const { run, workspace_id, ctx, clock } = worker
  await run(async trx => {
    const definition = { time_zone: 'UTC', weekly: ALWAYS, holidays: [] }
    const calendar = await createCalendar(trx, { name: 'Always', definition }, SYSTEM, clock.now)
    const targets = { first_response: { seconds: 3600 }, next_response: { seconds: 3600 } }
    const terms = { position: 100, enabled: true, conditions: null, targets, enforce_from: new Date(0) }
    const policy = await createPolicy(trx, { name: 'Hour', calendar_id: calendar.id, ...terms }, SYSTEM, clock.now)
    await updateInbox(trx, worker.inbox_id, { sla_policy_id: policy.id })
  })
  const channel = await worker.addChannel({ kind: 'mastodon' })
  const paused = await worker.addChannel({ kind: 'mastodon' })
  const theirs = { author: CANARY, thread_key: 'canary-root' }
  const blob = await keepBlob(ctx.db, ctx.blobs, workspace_id, Buffer.from('canary bytes'), () => clock.now)
  const parked = await keepBlob(
    ctx.db,
    ctx.blobs,
    workspace_id,
    Buffer.from('canary bytes of a parked mail'),
    () => clock.now,
  )
  const file = {
    external_id: 'canary-file',
    url: 'https://example.com/canary-file',
    blob_key: blob.key,
    media_type: 'text/plain',
    filename: 'canary.txt',
    alt_text: 'a canary',
    byte_size: 12,
    inline: false,
  }
  const first = comment('canary-root', {
    ...theirs,
    text: 'canary text',
    html: '<p>canary html</p>',
    subject: 'canary subject',
    permalink: 'https://example.com/canary-1',
    reply_context: { uri: 'canary-uri' },
    quoted_text: 'canary quote',
    post: { external_id: 'canary-root' },
    attachments: [file],
  })
  const edited = { ...first, text: 'canary text, edited', version_at: at('09:00:30').toISOString() }
  const gone = comment('canary-z', { ...theirs, text: 'canary that was deleted' })
  const ben = { external_id: 'ben', handle: 'ben', display_name: 'Ben', avatar_url: null }
  const others = comment('x-1', {
    author: ben,
    thread_key: 'canary-root',
    parent_external_id: 'canary-root',
    text: 'Me too',
    post: {
      ...{ external_id: 'canary-root', text: 'canary text as others tell it' },
      author: { external_id: CANARY.external_id, handle: CANARY.handle, display_name: null },
    },
  })
  await accept(worker, channel, [
    ['canary-key-1', first],
    ['canary-key-2', edited],
    ['key-3', gone],
    ['key-4', { type: 'deletion', external_id: 'canary-z', version_at: at('09:01:00').toISOString() }],
    ['key-5', others],
    ['canary-key-6', { type: 'broken', who: CANARY.external_id, text: 'canary', blob_key: parked.key }],
  ])
  const job = { workspace_id, channel_id: channel.id }
  await drain(ctx, job)
  await run(async trx => {
    const events = await trx.selectFrom('events').selectAll().execute()
    await triageEvents(trx, events, lexiconModel, clock.now)
    await trx.updateTable('conversations').set({ language: 'en', language_source: 'detected' }).execute()
  })
  await accept(worker, paused, [['canary-key-7', comment('canary-3', { author: CANARY, text: 'canary that waits' })]])
  const actor = {
    type: 'user' as const,
    id: (await run(trx => trx.selectFrom('users').select('id').executeTakeFirstOrThrow())).id,
  }
  await run(trx => pauseChannel(trx, paused.id, actor, clock.now))

  const contact_id = await run(async trx => {
    const query = trx
      .selectFrom('contact_identities')
      .select('contact_id')
      .where('external_id', '=', CANARY.external_id)
    return (await query.executeTakeFirstOrThrow()).contact_id
  })
  const conversation = await run(trx => trx.selectFrom('conversations').selectAll().executeTakeFirstOrThrow())
  const root = await run(trx =>
    trx.selectFrom('messages').selectAll().where('external_id', '=', 'canary-root').executeTakeFirstOrThrow(),
  )
  await run(async trx => {
    const change = { name: 'Canary Quill', attributes: { pet: 'canary' } }
    await changeContact(trx, contact_id, change, 1, actor, clock.now)
    const kept = { label: 'Kept', applies_to: 'conversation' as const }
    await createAttribute(trx, { ...kept, key: 'pet', type: 'text' }, actor, clock.now)
    await createAttribute(trx, { ...kept, key: 'seats', type: 'number' }, actor, clock.now)
    const { version } = (await findConversation(trx, conversation.id))!
    const attributes = { pet: 'a canary of hers', seats: 2 }
    await changeConversation(trx, conversation.id, { attributes }, version, actor, clock.now)
    await addContactNote(trx, contact_id, 'Has a canary.', { ...actor, role: 'agent' }, clock.now)
    await addNote(trx, { conversation_id: conversation.id, author: actor, body: 'Ask Canary Quill.' }, clock.now)
    const task = { title: 'Call Canary Quill', note: 'Canary Quill, again.', due_at: at('18:00:00'), assignee_id: null }
    await createTask(trx, { conversation_id: conversation.id, ...task }, actor, clock.now)
    const question = { name: 'Canary Quill’s doctor', question: 'Does Canary Quill sing?', expires_in_seconds: 60 }
    const link = await askExpert(trx, { conversation_id: conversation.id, ...question }, actor, clock.now)
    await answerQuestion(trx, link.id, 'Canary Quill does.', clock.now)
    await insertConversationAddresses(trx, [{ conversation_id: conversation.id, address: CANARY.external_id }])
    const text = { body: 'Dear canary', visibility: null, in_reply_to: null, attachment_ids: [] }
    await saveDraft(trx, conversation.id, text as never, undefined, actor, clock.now)
  })
  const reply = (body: string) =>
    run(async trx => {
      const draft = {
        conversation_id: conversation.id,
        author: actor,
        in_reply_to: root.id,
        force: true,
        resolve_after: false,
      }
      return (await queueReply(trx, { ...draft, body }, delivery, clock.now))[0]!
    })
  const answered = await reply('Dear Canary Quill (@canary_handle), it arrives today.')
  await run(async trx => {
    const attempt = await beginSendAttempt(
      trx,
      answered.id,
      { to: '@canary_handle', uri: 'canary-uri' },
      null,
      clock.now,
    )
    const outcome = { outcome: 'sent' as const, external_id: 'r-1', accepted_at: clock.now, permalink: null }
    await finishSendAttempt(trx, attempt!, outcome, clock.now)
  })
  await run(trx =>
    insertMessageAction(trx, {
      ...{ id: newId(clock.now), message_id: answered.id, conversation_id: conversation.id, channel_id: channel.id },
      ...{ verb: 'edit', body: 'Dear Canary Quill!', state: 'sent', state_reason: 'canary_handle was told' },
      ...{ actor_type: 'user', actor_id: actor.id, send_epoch: 1, created_at: clock.now },
    }),
  )
  await reply('One more thing.')
  const place = { credential_id: actor.id, route: 'POST /v1/conversations/:id/replies', key: 'a-key-of-the-test' }
  const answer = JSON.stringify({ id: answered.id, contact_id, body: 'Dear canary, whatever', state: 'queued' })
  const body = seal(TEST_SECRET_KEY, answerContext(workspace_id, place), answer).toString('base64')
  await run(trx =>
    storeAnswer(trx, {
      ...place,
      fingerprint: Buffer.alloc(32),
      status: 202,
      headers: '{}',
      body,
      created_at: clock.now,
    }),
  )
  const storedAnswer = () =>
    run(async trx => {
      const row = await trx.selectFrom('idempotency_keys').selectAll().executeTakeFirstOrThrow()
      return JSON.parse(
        unseal(TEST_SECRET_KEY, answerContext(workspace_id, row), Buffer.from(row.body, 'base64')) as string,
      )
    })
  return { ...worker, worker, channel, paused, contact_id, actor, first, edited, ben, job, conversation, storedAnswer }
}

/** Where a word stands: every column of every table, whatever its type, and every file. */
async function find(t: Test, { url, dataDir }: { url: string; dataDir: string }, word: string): Promise<string[]> {
  const address = new URL((await testEnvironment()).postgresUrl)
  address.pathname = new URL(url).pathname
  const root = new pg.Client({ connectionString: address.href })
  await root.connect()
  t.teardown(() => root.end().catch(() => {}))
  const { rows: columns } = await root.query<{ table: string; column: string; type: string }>(`
    select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace order by 1, 2`)
  const found: string[] = []
  for (const { table, column, type } of columns) {
    const text = type === 'bytea' ? `encode("${column}", 'escape')` : `"${column}"::text`
    const { rows } = await root.query(`select 1 from "${table}" where ${text} ilike $1 limit 1`, [`%${word}%`])
    if (rows.length > 0) found.push(`${table}.${column}`)
  }
  await root.end()
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    if ((await readFile(`${entry.parentPath}/${entry.name}`)).includes(word)) found.push('a file')
  }
  return found
}

const erase = (known: Awaited<ReturnType<typeof knowThem>>): Promise<ContactErasure> =>
  known.run(trx => beginErasure(trx, known.contact_id, known.actor, known.clock.now))

t.test('after an erasure nothing of a customer is left, anywhere', async t => {
  const known = await knowThem(t)
  const { run, ctx } = known
  const waits = () =>
    run(async trx => [
      await trx.selectFrom('waits').selectAll().execute(),
      await trx.selectFrom('sla_clocks').selectAll().execute(),
    ])
  const onPosts = () => run(trx => trx.selectFrom('post_messages').select('contact_id').execute())
  await run(async trx => followPosts(trx, await trx.selectFrom('events').selectAll().execute(), known.clock.now))
  t.equal((await onPosts()).length, 2)
  const triaged = await run(trx => trx.selectFrom('message_triage').select('contact_id').execute())
  const before = { waits: await waits(), found: await find(t, known, 'canary'), log: await known.log(), triaged }
  // A test that looks in the wrong places would find nothing afterwards either.
  for (const place of [
    ...['contacts.name', 'contacts.attributes', 'contact_identities.external_id', 'contact_notes.body'],
    ...[
      'messages.body',
      'messages.body_html',
      'messages.body_quoted',
      'messages.external_id',
      'messages.reply_context',
    ],
    ...['message_versions.body', 'message_tombstones.external_id', 'attachments.filename', 'a file'],
    ...['conversations.subject', 'conversations.thread_key', 'drafts.body', 'send_attempts.prepared', 'events.data'],
    ...['conversation_addresses.address', 'message_actions.body', 'message_actions.state_reason'],
    ...['tasks.title', 'tasks.note', 'expert_links.name', 'expert_links.question'],
    ...['conversations.attributes', 'conversation_attributes.value_key'],
    ...['posts.external_id', 'posts.text', 'posts.author_external_id', 'posts.author_handle', 'posts.permalink'],
    ...['inbound_events.dedup_key', 'inbound_events.parked_payload', 'inbound_payloads.payload'],
  ])
    t.ok(before.found.includes(place), `${place} has it before`)
  const { id } = await erase(known)
  known.clock.now = at('10:00:00')
  await eraseContacts(ctx)()

  t.same(await find(t, known, 'canary'), [])
  const left = await run(trx => trx.selectFrom('message_triage').select('contact_id').execute())
  t.same([before.triaged.length, left.length], [2, 1], 'nor what was made of what they wrote')
  t.not(left[0]!.contact_id, known.contact_id)
  const conversation = await run(trx => trx.selectFrom('conversations').selectAll().executeTakeFirstOrThrow())
  t.match(conversation, { language: null, language_source: null })
  t.equal((await onPosts()).length, 1, 'what others say on the post stays')
  t.same(await waits(), before.waits, 'how long they waited is history')
  t.same((await known.log()).slice(0, before.log.length), before.log, 'that something happened stays')
  t.same((await known.log()).slice(before.log.length), [
    'contact.erasure_requested',
    'reply.cancelled',
    'contact.erased',
  ])
  const receipt = (await run(trx => findErasure(trx, id)))!
  has(t, receipt, { state: 'done', looking_for: null, finished_at: at('10:00:00') })
  has(t, receipt.counts, {
    ...{
      contacts: 1,
      identities: 1,
      notes: 1,
      messages: 2,
      versions: 1,
      attachments: 1,
      files: 2,
      drafts: 1,
      posts: 1,
    },
    ...{ conversations: 1, attempts: 1, our_texts: 5, replies_cancelled: 1, answers: 1, ledger_events: 7 },
  })
  const texts = (await known.messages()).map(({ body, direction }) => `${direction}: ${body}`).sort()
  t.same(texts, [
    'inbound: ',
    'inbound: ',
    'inbound: Me too',
    'internal: Ask [erased].',
    'internal: [erased] does.',
    'outbound: Dear [erased] (@[erased]), it arrives today.',
    'outbound: One more thing.',
  ])
  const attributes = await run(trx => trx.selectFrom('conversations').select('attributes').execute())
  t.same(attributes, [{ attributes: { seats: 2 } }], 'a number says nothing of anybody')
  has(t, await known.storedAnswer(), { contact_id: known.contact_id, body: '[erased]', state: 'queued' })
  t.equal((await erase(known)).id, id, 'asked for again it is the same one')
})

t.test('the clocks of whom we erased can be recomputed from what is left of them', async t => {
  const known = await knowThem(t)
  const check = () =>
    known.run(async trx => {
      const conversations = await trx.selectFrom('conversations').select('id').execute()
      const checked = []
      for (const { id } of conversations) checked.push(await checkClocks(trx, id, known.clock.now))
      return checked
    })
  const before = await check()
  t.ok(before.some(({ clocks }) => clocks))
  t.same(
    before.flatMap(({ differences }) => differences),
    [],
  )
  await erase(known)
  await eraseContacts(known.ctx)()
  t.same(await check(), before)
})

t.test('what was erased does not come back, however it is delivered again', async t => {
  const known = await knowThem(t)
  const { worker, channel, ctx, job, first, edited, ben } = known
  const { id } = await erase(known)
  await eraseContacts(ctx)()
  const count = async () => (await known.messages()).length
  const before = await count()
  const again = await accept(worker, channel, [['canary-key-1', first]], at('10:00:00'))
  t.same(again, { accepted: 0, duplicates: 1 }, 'the same event is a duplicate')
  const later = { ...edited, text: 'canary again', version_at: at('10:00:00').toISOString() }
  const deletion = { type: 'deletion', external_id: 'canary-root', version_at: at('10:00:00').toISOString() }
  await accept(
    worker,
    channel,
    [
      ['canary-key-8', later],
      ['canary-key-9', deletion],
    ],
    at('10:00:00'),
  )
  known.clock.now = at('10:00:01')
  await drain(ctx, job)
  t.same(await find(t, known, 'canary'), [], 'an edit or a deletion of it is forgotten')
  t.equal(await count(), before)
  t.same(await accept(worker, channel, [['canary-key-8', later]], at('10:00:02')), { accepted: 0, duplicates: 1 })

  const same = { thread_key: 'canary-root', parent_external_id: 'canary-root' }
  const post = {
    ...{ external_id: 'canary-root', text: 'canary text as others tell it' },
    author: { external_id: CANARY.external_id, handle: CANARY.handle, display_name: null },
  }
  await accept(
    worker,
    channel,
    [['key-10', comment('b-2', { author: ben, ...same, text: 'And now?', post })]],
    at('10:01:00'),
  )
  await accept(
    worker,
    channel,
    [['key-11', comment('n-1', { author: CANARY, ...same, text: 'I am back' })]],
    at('10:01:00'),
  )
  await drain(ctx, job)
  const messages = await known.messages()
  t.equal(messages.length, before + 2)
  t.same([...new Set(messages.map(message => message.conversation_id))], [known.conversation.id], 'the thread goes on')
  const back = messages.find(message => message.external_id === 'n-1')!
  const posts = await known.run(trx => trx.selectFrom('posts').selectAll().execute())
  t.match(posts, [{ text: null, author_handle: null, author_external_id: null, permalink: null }], 'the post neither')
  t.not(back.contact_id, known.contact_id, 'whoever writes again is somebody new')
  const receipt = await known.run(trx => findErasure(trx, id))
  t.equal(receipt!.state, 'done')
})

t.test('a post of ours on which they spoke stays, without their name in it', async t => {
  const known = await knowThem(t)
  const { worker, channel, ctx, job, run } = known
  const post = { external_id: 'ours', from_us: true, text: 'Thanks to Canary Quill and to Ben' }
  const said = comment('canary-40', { author: CANARY, thread_key: 'ours-1', post })
  await accept(worker, channel, [['canary-key-40', said]])
  await drain(ctx, job)
  await erase(known)
  await eraseContacts(ctx)()
  t.same(await find(t, known, 'canary'), [])
  const { text } = await run(trx =>
    trx.selectFrom('posts').selectAll().where('kind', '=', 'own').executeTakeFirstOrThrow(),
  )
  t.equal(text, 'Thanks to [erased] and to Ben')
})

t.test('why their messages needed no answer goes, and their name from why those of others did', async t => {
  const known = await knowThem(t)
  const { worker, channel, ctx, job, run, actor, ben, clock } = known
  clock.now = at('09:30:00')
  const theirs = { thread_key: 'canary-root', occurred_at: clock.now.toISOString() }
  await accept(worker, channel, [
    ['canary-key-50', comment('canary-50', { author: CANARY, ...theirs, text: 'Thanks' })],
    ['canary-key-51', comment('canary-51', { author: CANARY, ...theirs, text: 'Thanks again' })],
    ['key-52', comment('ben-52', { author: ben, ...theirs, text: 'Thanks too' })],
  ])
  await drain(ctx, job)
  const idsOf = async (external_id: string) => {
    const { id, conversation_id } = (await known.messages()).find(message => message.external_id === external_id)!
    return { message_id: id, conversation_id }
  }
  const [said, again, others] = [await idsOf('canary-50'), await idsOf('canary-51'), await idsOf('ben-52')]
  const dismiss = (ids: typeof said, reason: string) =>
    run(trx => dismissMessage(trx, ids, { reason, as: 'no_reply_needed' }, actor, clock.now))
  await dismiss(said, 'She only praises her canary')
  await dismiss(again, 'Praises the canary once more')
  await run(trx => undismissMessage(trx, again, actor, clock.now))
  await dismiss(others, 'Agrees with Canary Quill')
  await run(trx => flagMessage(trx, said.message_id, 'Her canary sings', actor, clock.now))
  await run(trx => flagMessage(trx, others.message_id, 'About Canary Quill', actor, clock.now))
  const place = {
    credential_id: actor.id,
    route: 'POST /v1/conversations/:id/messages/:message_id/dismiss',
    key: 'why',
  }
  const answer = JSON.stringify({
    contact_id: known.contact_id,
    dismissed_reason: 'Praises the canary',
    state: 'received',
  })
  const body = seal(TEST_SECRET_KEY, answerContext(worker.workspace_id, place), answer).toString('base64')
  const kept = { fingerprint: Buffer.alloc(32), status: 200, headers: '{}', created_at: clock.now }
  await run(async trx => {
    await trx.deleteFrom('idempotency_keys').execute()
    await storeAnswer(trx, { ...place, ...kept, body })
  })
  await erase(known)
  await eraseContacts(ctx)()
  t.same(await find(t, known, 'canary'), [])
  t.same(await known.storedAnswer(), {
    ...{ contact_id: known.contact_id, dismissed_reason: '[erased]', state: 'received' },
  })
  const reasons = (await known.messages()).flatMap(({ dismissed_reason: reason }) => reason ?? [])
  t.same(reasons.sort(), ['Agrees with [erased]', '[erased]'], 'that they were dismissed stays')
  const flags = (await known.messages()).flatMap(({ flagged_reason: reason }) => reason ?? [])
  t.same(flags.sort(), ['About [erased]', '[erased]'])
})

t.test('an erasure that is interrupted anywhere goes on and erases the same', async t => {
  const whole = await knowThem(t)
  const { id } = await erase(whole)
  await eraseContacts(whole.ctx)()
  const receipt = (await whole.run(trx => findErasure(trx, id)))!

  const known = await knowThem(t)
  const erasure = await erase(known)
  let [calls, dice] = [0, 1]
  const die = () => {
    calls += 1
    dice = (dice * 48_271) % 2_147_483_647
    if (dice % 3 === 0) throw new Error('killed')
  }
  const dying = Object.assign(Object.create(known.db) as Database, {
    asSystem: known.db.asSystem.bind(known.db),
    inWorkspace: async (workspace_id: string, work: Parameters<Database['inWorkspace']>[1]) => {
      const result = await known.db.inWorkspace(workspace_id, async trx => {
        const done = await work(trx)
        die()
        return done
      })
      die()
      return result
    },
  })
  const ctx: WorkerContext = { ...known.ctx, db: dying }
  const state = async () => (await known.run(trx => findErasure(trx, erasure.id)))!
  for (let rounds = 0; (await state()).state !== 'done' && rounds < 200; rounds += 1) {
    await Promise.allSettled([eraseContacts(ctx)(), eraseContacts(ctx)()])
  }
  t.ok(calls > 10)
  const { counts } = await state()
  t.same(counts, receipt.counts)
  t.same(await find(t, known, 'canary'), [])
})

t.test('an erasure waits for a reply that is being sent', async t => {
  const known = await knowThem(t)
  const { run, ctx } = known
  const queued = (await known.messages()).find(({ state }) => state === 'queued')!
  const attempt = await run(trx => beginSendAttempt(trx, queued.id, { to: '@canary_handle' }, null, known.clock.now))
  const { id } = await erase(known)
  await eraseContacts(ctx)()
  has(t, await run(trx => findErasure(trx, id)), { state: 'running', step: 'replies' })
  const outcome = { outcome: 'unknown' as const, reason: 'No answer.', look_again_at: known.clock.now }
  await run(trx => finishSendAttempt(trx, attempt!, outcome, known.clock.now))
  await eraseContacts(ctx)()
  const left = (await known.messages()).find(message => message.id === queued.id)
  has(t, left, { state: 'unknown', next_attempt_at: null }, 'there is nothing to ask the network with')
  has(t, await run(trx => findErasure(trx, id)), { state: 'done' })
  t.same(await find(t, known, 'canary'), [])
})

t.test('who was merged is erased as one', async t => {
  const known = await knowThem(t)
  const { run, worker, channel, ctx, job } = known
  t.same(await run(trx => trx.selectFrom('contacts').select('id').execute()).then(rows => rows.length), 2)
  await accept(worker, channel, [
    [
      'key-20',
      comment('canary-20', {
        author: { ...CANARY, external_id: 'canary-second', handle: 'canary_two' },
        thread_key: 'other',
      }),
    ],
  ])
  await drain(ctx, job)
  const second = await run(async trx => {
    const query = trx.selectFrom('contact_identities').select('contact_id').where('external_id', '=', 'canary-second')
    return (await query.executeTakeFirstOrThrow()).contact_id
  })
  await run(trx =>
    mergeContacts(trx, { into_id: known.contact_id, from_id: second, dry_run: false }, known.actor, known.clock.now),
  )
  const refused = run(trx => beginErasure(trx, second, known.actor, known.clock.now))
  t.equal(await refused.catch(error => error.code), 'conflict', 'by the contact that they are now')
  await erase(known)
  await eraseContacts(ctx)()
  t.same(await find(t, known, 'canary'), [])
})

t.test('what comes in while an erasure begins is erased with the rest', async t => {
  for (let round = 0; round < 5; round += 1) {
    const known = await knowThem(t)
    const { worker, channel, ctx, job } = known
    const thread = (index: number) => ({ author: CANARY, thread_key: `thread-${index}`, text: 'canary in a hurry' })
    const events = Array.from({ length: 60 }, (_, index): [string, unknown] => [
      `canary-late-${index}`,
      comment(`canary-late-${index}`, thread(index)),
    ])
    await accept(worker, channel, events)
    const [, erasure] = await Promise.all([drain(ctx, job), erase(known), drain(ctx, job)])
    await drain(ctx, job)
    await eraseContacts(ctx)()
    const receipt = await known.run(trx => findErasure(trx, erasure.id))
    t.equal(receipt!.state, 'done')
    t.same(await find(t, known, 'canary'), [])
  }
})
