import { randomUUID } from 'node:crypto'
import { addNote, notifyPeople } from '@parley/core'
import { type EventRow, generateLinkToken, insertMessage, newId } from '@parley/db'
import t, { type Test } from 'tap'
import { addChannel, addConversation, addKey, atOnce, type Json, type TestApi, testApi } from './helper.ts'
import { changesNothing, dump, isProblem, withoutInstance } from './refusals.ts'

const DAY_MS = 24 * 3600 * 1000
const ASKED = { name: 'Dr. Reed', question: 'May we take this back?' }

/** A conversation of two customer messages, and an agent's key with which experts are asked about it. */
async function withConversation(t: Test) {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const conversation = await addConversation(api, api.ours, channel, { messages: 2 })
  const asker = await addKey(api.db, api.ours.workspace_id, 'agent')
  const path = `/v1/conversations/${conversation.id}/expert_links`
  const as = (key: string) => ({ authorization: `Bearer ${key}` })
  const ask = async (fields: Json = {}, key = asker.key): Promise<Json> => {
    const made = await api.call('POST', path, { ...ASKED, ...fields }, as(key))
    if (made.status !== 201) throw new Error(made.text)
    return made.body
  }
  const notes = () => api.query(`select * from messages where kind = 'note'`)
  const run = <T>(work: Parameters<typeof api.db.inWorkspace<T>>[1]) => api.db.inWorkspace(api.ours.workspace_id, work)
  const listed = async () => (await api.call('GET', path, undefined, as(asker.key))).body.data as Json[]
  /** Everything in the log, also what readers are not shown yet while other transactions are open. */
  const log = () =>
    run(async trx => (await trx.selectFrom('events').selectAll().orderBy('seq').execute()) as unknown as EventRow[])
  return { api, channel, conversation, asker, path, as, ask, notes, run, listed, log }
}

/** As an expert calls: with no key at all. */
const call = (api: TestApi, verb: 'read' | 'answer', payload: Json) =>
  api.inject({ method: 'POST', url: `/v1/expert_links/${verb}`, payload })
const read = (api: TestApi, token: string) => call(api, 'read', { token })
const answer = (api: TestApi, token: string, body = 'Yes.') => call(api, 'answer', { token, body })

/** What a link that opens nothing is answered: the same, byte for byte, whyever. */
async function opensNothing(t: Test, api: TestApi, token: string, why: string) {
  for (const verb of [read, answer]) {
    const [refused, unknown] = [await verb(api, token), await verb(api, generateLinkToken())]
    isProblem(t, refused, 404, 'not-found', why)
    t.equal(withoutInstance(refused), withoutInstance(unknown), why)
  }
}

t.test('an expert reads the question and answers it with one note, attributed to the link', async t => {
  const { api, conversation, asker, ask, notes, listed, log } = await withConversation(t)
  const { id, token, state } = await ask()
  t.equal(state, 'open')
  t.match(token, /^[A-Za-z0-9_-]{43}$/)
  const shown = await read(api, token)
  t.equal(shown.status, 200)
  t.strictSame(shown.body, {
    question: ASKED.question,
    subject: null,
    messages: [1, 0].map(seconds => ({
      author: 'customer',
      body: 'Where is my order?',
      occurred_at: new Date(api.clock.now.getTime() - seconds * 1000).toISOString(),
    })),
  })
  const answered = await answer(api, token, 'Yes, within thirty days.')
  t.equal(answered.status, 201)
  t.strictSame(answered.body, {})
  const [note, ...others] = await notes()
  t.match(note, { body: 'Yes, within thirty days.', direction: 'internal', author_type: 'expert', author_id: id })
  t.same(others, [])
  const message_id = note.id
  t.match(await listed(), [{ id, state: 'answered', message_id, created_by: { type: 'user', id: asker.user_id } }])
  const { body } = await api.call('GET', `/v1/conversations/${conversation.id}/messages`)
  t.match(
    body.data.find((message: Json) => message.id === message_id),
    { author_type: 'expert', author_id: id },
  )
  const events = (await log()).filter(({ type }) => /^(note|expert_link)\./.test(type))
  t.match(events, [
    { type: 'expert_link.created', actor_type: 'user', actor_id: asker.user_id, data: { expert_link_id: id } },
    { type: 'note.created', actor_type: 'expert', actor_id: id, data: { message_id } },
    { type: 'expert_link.answered', actor_type: 'expert', actor_id: id, data: { expert_link_id: id, message_id } },
  ])
  await changesNothing(t, api, () => opensNothing(t, api, token, 'answered'))
})

t.test('of fifty answers at once one is kept', async t => {
  const { api, ask, notes, log } = await withConversation(t)
  const { token } = await ask()
  const answers = await atOnce(50, index => answer(api, token, `Answer ${index}`))
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter(status => status === 201).length, 1)
  t.same(
    statuses.filter(status => ![201, 404, 429].includes(status)),
    [],
    'the others find it answered, or come too many at once',
  )
  t.equal((await notes()).length, 1)
  t.equal((await log()).filter(({ type }) => type === 'expert_link.answered').length, 1)
})

t.test('tokens that open nothing cost more and more time, and are counted by token and by address', async t => {
  const { api, ask } = await withConversation(t)
  const { token } = await ask()
  const from = (remoteAddress: string, given: string) =>
    api.inject({ method: 'POST', url: '/v1/expert_links/read', payload: { token: given }, remoteAddress })
  const dead = generateLinkToken()
  for (let guess = 1; guess <= 10; guess += 1) t.equal((await from(`198.51.100.${guess}`, dead)).status, 404)
  const blocked = await from('198.51.100.99', dead)
  isProblem(t, blocked, 429, 'too-many-attempts', 'the same token, from wherever')
  t.equal(blocked.headers['retry-after'], '1')
  for (let guess = 1; guess <= 30; guess += 1)
    t.equal((await from(`2001:db8::${guess}`, generateLinkToken())).status, 404)
  isProblem(
    t,
    await from('2001:db8::ffff', token),
    429,
    'too-many-attempts',
    'the same network, also with one that opens',
  )
  t.equal((await from('2001:db8:0:1::1', token)).status, 200, 'another one')
  const email = 'nobody@example.com'
  const signIn = { method: 'POST' as const, url: '/v1/sessions', remoteAddress: '2001:db8::ffff' }
  const payload = { email, password: 'not her password' }
  t.equal((await api.inject({ ...signIn, payload })).status, 401, 'sign-ins are counted apart')
  for (let reading = 1; reading <= 40; reading += 1) t.equal((await from('203.0.113.1', token)).status, 200)
  t.notOk((await dump(api)).includes(dead), 'the token itself is not kept')
})

t.test('an answer and a revocation at once leave either a note or a revoked link', async t => {
  const { api, path, ask, notes, listed } = await withConversation(t)
  for (let round = 0; round < 5; round += 1) {
    const before = (await notes()).length
    const { id, token } = await ask()
    const [answered, revoked] = await Promise.all([answer(api, token), api.call('DELETE', `${path}/${id}`)])
    const won = answered.status === 201
    t.same([answered.status, revoked.status], won ? [201, 409] : [404, 200])
    t.equal((await notes()).length, before + (won ? 1 : 0))
    t.equal((await listed()).find(link => link.id === id)!.state, won ? 'answered' : 'revoked')
  }
})

t.test('a link that was revoked, has expired or never was opens nothing, and all are answered alike', async t => {
  const { api, asker, path, as, ask, listed, log } = await withConversation(t)
  const [revoked, minute, usual] = [await ask(), await ask({ expires_in_seconds: 60 }), await ask()]
  const revoke = () => api.call('DELETE', `${path}/${revoked.id}`, undefined, as(asker.key))
  t.match((await revoke()).body, { state: 'revoked' })
  t.equal((await revoke()).status, 200, 'again changes nothing')
  t.equal((await log()).filter(({ type }) => type === 'expert_link.revoked').length, 1)
  const began = api.clock.now.getTime()
  api.clock.now = new Date(began + 59_999)
  t.equal((await read(api, minute.token)).status, 200)
  api.clock.now = new Date(began + 60_000)
  t.equal((await read(api, usual.token)).status, 200)
  await changesNothing(t, api, async () => {
    await opensNothing(t, api, minute.token, 'expired')
    await opensNothing(t, api, revoked.token, 'revoked')
    for (const token of [`${usual.token}A`, usual.token.slice(1), usual.id, 'x'])
      await opensNothing(t, api, token, token)
    api.clock.now = new Date(began + 3 * DAY_MS)
    await opensNothing(t, api, usual.token, 'three days later')
  })
  t.same((await listed()).map(({ state }) => state).sort(), ['expired', 'expired', 'revoked'])
})

t.test('what was answered cannot be revoked', async t => {
  const { api, path, ask } = await withConversation(t)
  const { id, token } = await ask()
  await answer(api, token)
  isProblem(t, await api.call('DELETE', `${path}/${id}`), 409, 'conflict', 'answered')
})

t.test('a link opens nothing while its asker is disabled or does not see the inbox', async t => {
  const { api, asker, ask, notes } = await withConversation(t)
  const { token } = await ask()
  const members = `/v1/inboxes/${api.ours.inbox_id}/members`
  const other = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('PUT', `${members}/${other.user_id}`)
  await opensNothing(t, api, token, 'no member')
  await api.call('PUT', `${members}/${asker.user_id}`)
  t.equal((await read(api, token)).status, 200)
  await api.call('PATCH', `/v1/users/${asker.user_id}`, { status: 'disabled' }, { 'if-match': '"1"' })
  await opensNothing(t, api, token, 'disabled')
  t.same(await notes(), [])
})

t.test('what a key asked that acts as no person ends with that key, or with its sight of the inbox', async t => {
  const { api, ask } = await withConversation(t)
  const limits = { name: 'Shop', role: 'agent', inbox_ids: [api.ours.inbox_id] }
  const key = (await api.call('POST', '/v1/api_keys', limits)).body
  const { token } = await ask({}, key.key)
  t.equal((await read(api, token)).status, 200)
  t.equal((await api.call('DELETE', `/v1/api_keys/${key.id}`)).status, 200)
  await opensNothing(t, api, token, 'the key has ended')
})

t.test('the asker is told of the answer, if they still see the inbox', async t => {
  const { api, asker, ask, run, log } = await withConversation(t)
  const told = () => api.query(`select kind, user_id, actor_type from notifications`)
  const first = await ask()
  await answer(api, first.token)
  const since = (await log()).length
  await run(async trx => notifyPeople(trx, await log(), api.clock.now))
  const notification = { kind: 'expert_answered', user_id: asker.user_id, actor_type: 'expert' }
  t.same(await told(), [notification])
  const second = await ask()
  await answer(api, second.token)
  const other = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('PUT', `/v1/inboxes/${api.ours.inbox_id}/members/${other.user_id}`)
  await run(async trx => notifyPeople(trx, (await log()).slice(since), api.clock.now))
  t.same(await told(), [notification])
})

t.test('an expert is shown chosen messages and no ids, handles, addresses or notes', async t => {
  const { api, channel, conversation, ask, run } = await withConversation(t)
  const { contact_id } = conversation
  const at = api.clock.now
  await run(async trx => {
    const identity = {
      network: 'shop',
      external_id: 'ana-account',
      handle: 'ana_handle',
      created_at: at,
      updated_at: at,
    }
    await trx
      .insertInto('contact_identities')
      .values({ id: newId(at), contact_id, ...identity, display_name: 'Ana Lopes', avatar_url: null })
      .execute()
    await trx.updateTable('contacts').set({ name: 'Ana the difficult one' }).where('id', '=', contact_id).execute()
    const author = { type: 'user' as const, id: randomUUID() }
    await addNote(trx, { conversation_id: conversation.id, author, body: 'A secret note.' }, at)
    const stamps = { occurred_at: new Date(at.getTime() + 1000), received_at: at, processed_at: at, version_at: at }
    const place = { conversation_id: conversation.id, channel_id: channel.id, author_type: 'user' as const }
    const reply = {
      ...place,
      ...stamps,
      direction: 'outbound' as const,
      kind: 'comment',
      visibility: 'public' as const,
    }
    for (const state of ['sent', 'rejected'] as const) {
      const body = `It was ${state}.`
      await insertMessage(trx, { id: newId(at), ...reply, author_id: author.id, state, body })
    }
  })
  const { token } = await ask()
  const shown = await read(api, token)
  t.same(
    shown.body.messages.map(({ author, body }: Json) => [author, body]),
    [
      ['Ana Lopes', 'Where is my order?'],
      ['Ana Lopes', 'Where is my order?'],
      ['us', 'It was sent.'],
    ],
  )
  t.same(Object.keys(shown.body), ['question', 'subject', 'messages'])
  for (const message of shown.body.messages) t.same(Object.keys(message), ['author', 'body', 'occurred_at'])
  t.notMatch(shown.text, /[0-9a-f]{8}-[0-9a-f]{4}-|ana-account|ana_handle|difficult|secret/)
  const one = await ask({ message_ids: [conversation.messages[1], conversation.messages[1]] })
  t.equal((await read(api, one.token)).body.messages.length, 1)
  const none = await ask({ message_ids: [] })
  t.same((await read(api, none.token)).body.messages, [])
  for (const display_name of ['@ana_handle', 'ana_handle', 'Ana-Account', 'ana@example.com', null]) {
    await run(trx => trx.updateTable('contact_identities').set({ display_name }).execute())
    t.equal((await read(api, one.token)).body.messages[0].author, 'customer', `${display_name}`)
  }
  await run(trx => trx.updateTable('messages').set({ deleted_at: at }).where('direction', '=', 'inbound').execute())
  t.same((await read(api, one.token)).body.messages, [], 'nothing of what was deleted')
})

t.test('notes and messages of other conversations cannot be chosen', async t => {
  const { api, channel, conversation, path, notes } = await withConversation(t)
  const other = await addConversation(api, api.ours, channel)
  await api.call('POST', `/v1/conversations/${conversation.id}/notes`, { body: 'A secret note.' })
  const [note] = await notes()
  await changesNothing(t, api, async () => {
    for (const id of [note.id, other.messages[0], newId(api.clock.now)]) {
      const refused = await api.call('POST', path, { ...ASKED, message_ids: [conversation.messages[0], id] })
      isProblem(t, refused, 422, 'validation-failed', id)
    }
    for (const fields of [
      { expires_in_seconds: 59 },
      { expires_in_seconds: 14 * 24 * 3600 + 1 },
      { message_ids: Array.from({ length: 51 }, () => conversation.messages[0]) },
      { question: ' ' },
    ]) {
      isProblem(t, await api.call('POST', path, { ...ASKED, ...fields }), 422, 'validation-failed', 'out of bounds')
    }
  })
})

t.test('a token stands in one answer, and nowhere in rows, events or log lines', async t => {
  const { api, ask, listed, log, path } = await withConversation(t)
  const key = { 'idempotency-key': 'a-key-of-the-test' }
  const { token } = (await api.call('POST', path, ASKED, key)).body
  const again = await api.call('POST', path, ASKED, key)
  t.equal(again.body.token, token, 'a repeat is answered with what was sealed')
  const other = await ask()
  await read(api, token)
  await answer(api, token, 'Yes.')
  await answer(api, token, 'Yes.')
  await api.inject({ method: 'POST', url: `/v1/expert_links/read?token=${token}`, payload: { token } })
  await call(api, 'answer', { token: other.token, body: '' })
  const places = {
    rows: await dump(api),
    'log lines': api.log.join('\n'),
    list: JSON.stringify(await listed()),
    events: JSON.stringify(await log()),
  }
  t.match(places['log lines'], '/v1/expert_links/answer')
  for (const [place, text] of Object.entries(places)) {
    for (const secret of [token, other.token]) t.notOk(text.includes(secret), place)
  }
  for (const written of [ASKED.question, ASKED.name, 'Yes.']) t.notOk(places.events.includes(written), written)
})
