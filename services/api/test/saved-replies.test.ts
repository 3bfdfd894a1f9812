import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, addCustomerMessage, addKey, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const channel = await addChannel(api)
const conversation = await addConversation(api, ours, channel)
const lead = await addKey(api.db, ours.workspace_id, 'lead')
const agent = await addKey(api.db, ours.workspace_id, 'agent')
const robot = await addKey(api.db, ours.workspace_id, 'agent', { person: false })
const save = (fields: object = {}, headers = {}) =>
  api.call('POST', '/v1/saved_replies', { name: 'Refund', body: 'It is on its way.', ...fields }, headers)
const change = (id: string, fields: object, version: number | string) =>
  api.call('PATCH', `/v1/saved_replies/${id}`, fields, { 'if-match': `"${version}"` })
const render = (id: string, conversation_id = conversation.id, key = agent.key) =>
  api.call('POST', `/v1/saved_replies/${id}/render`, { conversation_id }, { authorization: `Bearer ${key}` })
const list = async (query = '') => (await api.call('GET', `/v1/saved_replies?limit=100&${query}`)).body.data as Json[]
const eventsOf = (id: string) =>
  api.query(`select type from events where data->>'saved_reply_id' = '${id}' order by seq`)

t.test('a saved reply is written by a lead and read by every agent', async t => {
  const fields = { name: 'Refund', shortcut: 'refund', body: 'Hi', inbox_id: ours.inbox_id, language: 'pt-br' }
  const made = await save(fields, { authorization: `Bearer ${lead.key}` })
  t.same([made.status, made.headers.etag], [201, '"1"'])
  has(t, made.body, { ...fields, language: 'pt-BR', archived_at: null, version: 1, created_by_id: lead.user_id })
  t.notOk('search_key' in made.body || 'workspace_id' in made.body)
  const path = `/v1/saved_replies/${made.body.id}`
  const read = await api.call('GET', path, undefined, { authorization: `Bearer ${agent.key}` })
  t.same([read.body, read.headers.etag], [made.body, '"1"'])
  const changed = await change(made.body.id, { body: 'Hello', inbox_id: null }, 1)
  t.same([changed.status, changed.headers.etag], [200, '"2"'])
  has(t, changed.body, { ...fields, language: 'pt-BR', body: 'Hello', inbox_id: null, version: 2 })
  const same = await change(made.body.id, { body: 'Hello', archived: false }, 2)
  t.same(same.body, changed.body, 'a change to what it is already is none')
  await changesNothing(t, api, async () => {
    isProblem(t, await change(made.body.id, { name: 'a' }, 1), 412, 'version-mismatch', 'stale')
    isProblem(t, await api.call('PATCH', path, { name: 'a' }), 428, 'precondition-required', 'without If-Match')
  })
  t.same(await eventsOf(made.body.id), [{ type: 'saved_reply.created' }, { type: 'saved_reply.updated' }])
})

t.test('a shortcut is one reply, however it is spelt, until that is archived', async t => {
  const spellings = [
    ['iade', 'İADE', 'ｉａｄｅ', 'I\u0307ade', 'ia\u00adde'],
    ['caf\u00e9', 'CAFE\u0301', 'cafe\u0301'],
    ['straße', 'STRASSE'],
  ]
  for (const [first, ...others] of spellings) {
    const made = (await save({ shortcut: first })).body
    const free = (await save()).body
    await changesNothing(t, api, async () => {
      for (const shortcut of [first, ...others]) {
        isProblem(t, await save({ shortcut }), 409, 'conflict', shortcut!)
        isProblem(t, await change(free.id, { shortcut }, 1), 409, 'conflict', shortcut!)
      }
    })
    t.equal((await api.call('DELETE', `/v1/saved_replies/${made.id}`)).status, 200)
    const next = await save({ shortcut: others[0] })
    t.equal(next.status, 201, 'the archive gives it free')
    isProblem(t, await change(made.id, { archived: false }, 2), 409, 'conflict', 'it is taken by now')
  }
  t.equal((await save()).status, 201)
  t.equal((await save()).status, 201, 'many have none')
  await changesNothing(t, api, async () => {
    for (const shortcut of ['a b', '\u00a0a', 'a\nb', 'a\u0007', '\u{e0041}']) {
      isProblem(t, await save({ shortcut }), 422, 'validation-failed', JSON.stringify(shortcut))
    }
    for (const language of ['', 'x', 'german', 'de_DE', 'de-DE-', 'en-a', '\u0131s', 'a'.repeat(40), 'i-default-x-']) {
      const { status } = await save({ language })
      t.equal(status, 422, language)
    }
  })
})

t.test('what is archived is out of the list and can be restored', async t => {
  const { id } = (await save({ name: 'Summer sale' })).body
  const gone = await api.call('DELETE', `/v1/saved_replies/${id}`)
  t.equal(gone.body.archived_at, api.clock.now.toISOString())
  t.same((await api.call('DELETE', `/v1/saved_replies/${id}`)).body, gone.body, 'again changes nothing')
  t.same(await list('q=summer'), [])
  t.same(await list('q=summer&archived=true'), [gone.body])
  isProblem(t, await render(id), 409, 'conflict', 'archived')
  t.equal((await change(id, { archived: false }, 2)).body.archived_at, null)
  t.equal((await list('q=summer')).length, 1)
  t.same(
    await eventsOf(id),
    ['created', 'archived', 'restored'].map(what => ({ type: `saved_reply.${what}` })),
  )
})

t.test('a reply is found by words of its name, shortcut or text, and by its inbox', async t => {
  const inbox = (await api.call('POST', '/v1/inboxes', { name: 'Shop' })).body
  const here = (await save({ name: 'Größe 100%', shortcut: 'gr_sse', body: 'Ｄie Maße', inbox_id: inbox.id })).body
  const everywhere = (await save({ name: 'Grüße', body: 'Die Masse' })).body
  const found = async (query: string) => (await list(query)).map(({ id }) => id)
  const q = (text: string) => `q=${encodeURIComponent(text)}`
  for (const text of ['GRÖSSE', 'gro\u0308ße', 'gr_s', '100%', 'mas gröss', 'maße Größe']) {
    t.same(await found(q(text)), [here.id], text)
  }
  const both = [here.id, everywhere.id].sort()
  t.same(await found(q('die masse')), both)
  for (const text of ['gr%e', '100_', 'grö gru', "'", '\\']) t.same(await found(q(text)), [], text)
  t.same(await found(`${q('die')}&inbox_id=${inbox.id}`), both)
  t.same(await found(`${q('die')}&inbox_id=${ours.inbox_id}`), [everywhere.id])
  for (const text of ['', '%20', '%00', 'a'.repeat(201)]) {
    isProblem(t, await api.call('GET', `/v1/saved_replies?q=${text}`), 422, 'validation-failed', text.slice(0, 5))
  }
})

t.test('a reply is written out for whoever answers, and stores nothing', async t => {
  await api.query(`update contacts set name = E'Ana\\n Silva' where id = '${conversation.contact_id}'`)
  const { id } = (
    await save({
      body: 'Hi {{ contact.first_name }} ({{ contact.name }}), #{{ conversation.number }} {{ inbox.name }} {{ workspace.name }} {{ channel.name }} {{ channel.kind }}. {{ agent.first_name }} / {{ agent.name }}',
    })
  ).body
  await changesNothing(t, api, async () => {
    const { status, body } = await render(id)
    const [row] = await api.query(`select c.number, i.name as inbox, w.name as workspace from conversations c
      join inboxes i on i.id = c.inbox_id join workspaces w on w.id = c.workspace_id where c.id = '${conversation.id}'`)
    const place = `#${row.number} ${row.inbox} ${row.workspace} Shop generic`
    t.same([status, body], [200, { body: `Hi Ana (Ana Silva), ${place}. A / A agent`, missing: [] }])
    const missing = ['agent.name', 'agent.first_name']
    t.same((await render(id, conversation.id, robot.key)).body, { body: `Hi Ana (Ana Silva), ${place}.  / `, missing })
  })
})

t.test('what is not known of a customer is missing, and what they call themselves is text', async t => {
  const other = await addConversation(api, ours, channel)
  const { id } = (await save({ body: '{{ contact.first_name }}|{{ contact.handle }}|{{ conversation.subject }}' })).body
  await api.query(`update contacts set name = 'Someone' where id = '${other.contact_id}'`)
  const missing = ['contact.first_name', 'contact.handle', 'conversation.subject']
  t.same((await render(id, other.id)).body, { body: '||', missing })
  await api.query(`update contacts set name = '{{agent.name}} {% if %}' where id = '${other.contact_id}'`)
  await api.query(`insert into contact_identities
    (workspace_id, id, contact_id, network, external_id, handle, created_at, updated_at)
    values ('${ours.workspace_id}', gen_random_uuid(), '${other.contact_id}', 'x', 'x', '@ana.example', now(), now())`)
  await api.query(`update conversations set subject = 'Order {{ 42 }}' where id = '${other.id}'`)
  t.same((await render(id, other.id)).body, { body: '{{agent.name}}|ana.example|Order {{ 42 }}', missing: [] })
})

t.test('the customer of a text is the one who is answered', async t => {
  const thread = await addConversation(api, ours, channel)
  const other = await addConversation(api, ours, channel)
  await api.query(`update contacts set name = 'Ben' where id = '${other.contact_id}'`)
  const place = { conversation_id: thread.id, channel_id: channel.id, contact_id: other.contact_id }
  const later = new Date(api.clock.now.getTime() + 1000)
  const answer = await api.db.inWorkspace(ours.workspace_id, trx => addCustomerMessage(trx, place, later))
  const { id } = (await save({ body: 'Hi {{ contact.first_name }}' })).body
  const renderFor = (in_reply_to?: string) =>
    api.call('POST', `/v1/saved_replies/${id}/render`, { conversation_id: thread.id, in_reply_to })
  t.equal((await renderFor()).body.body, 'Hi Ben', 'whoever wrote last')
  t.equal((await renderFor(answer)).body.body, 'Hi Ben')
  t.equal((await renderFor(thread.messages[0])).body.body, 'Hi Ana')
  isProblem(t, await renderFor(other.messages[0]), 422, 'validation-failed', 'of another conversation')
})

t.test('a template is refused when it is saved, not when somebody needs it', async t => {
  const { id } = (await save()).body
  const { data } = (await api.call('GET', '/v1/saved_replies/variables')).body
  await changesNothing(t, api, async () => {
    const unknown = '{{ contact.nmae }} {{ customer.name }}'
    for (const answer of [await save({ body: unknown }), await change(id, { body: unknown }, 1)]) {
      isProblem(t, answer, 422, 'validation-failed', 'unknown')
      t.same(answer.body.unknown_variables, ['contact.nmae', 'customer.name'])
      t.same(
        answer.body.variables,
        data.map(({ name }: Json) => name),
      )
      t.same(
        answer.body.errors.map(({ pointer }: Json) => pointer),
        ['/body', '/body'],
      )
    }
    for (const body of [
      '{{ contact.name',
      '{% for a in b %}{% endfor %}',
      '{% include "/etc/passwd" %}',
      '{{ (1..9999999) }}',
    ]) {
      isProblem(t, await save({ body }), 422, 'validation-failed', body)
      isProblem(t, await change(id, { body }, 1), 422, 'validation-failed', body)
    }
  })
})
