import { readFileSync } from 'node:fs'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, addKey, atOnce, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
// The numbers below are given out by the helper.
await api.query('update workspaces set next_conversation_number = 1000000')
const channel = await addChannel(api)
const read = async (id: string) => (await api.call('GET', `/v1/conversations/${id}`)).body
const add = (messages = 1) => addConversation(api, ours, channel, { messages })
const merge = (into: string, from_id: string, version = 1, headers: Record<string, string> = {}) =>
  api.call('POST', `/v1/conversations/${into}/merge`, { from_id }, { 'if-match': `"${version}"`, ...headers })

t.test('the requests of the page about threads are answered as it says', async t => {
  const page = readFileSync(new URL('../../../docs/threads.md', import.meta.url), 'utf8')
  const [one, other] = [await add(2), await add()]
  const values: Record<string, string> = {
    inbox_id: ours.inbox_id,
    conversation_id: one.id,
    other_id: other.id,
    message_id: one.messages[0]!,
  }
  const fresh = async () => {
    values.version = (await read(one.id)).version
  }
  const before = {
    '/v1/conversations/{conversation_id}/merge': fresh,
    '/v1/conversations/{conversation_id}/split': fresh,
  }
  const answers = await follow(t, api, page, values, before)
  const [inbox, survivor, pointer, apart] = answers as [Json, Json, Json, Json]
  t.equal(inbox.reopen_window_seconds, 2592000)
  t.match(survivor, { id: one.id, merged_into_id: null })
  t.match(pointer, { status: 'merged', merged_into_id: one.id })
  t.match(apart, { split_from_id: one.id, subject: 'The second parcel', assignee_id: null })
})

t.test('a merged conversation is in no list and no count, and refuses every change naming the survivor', async t => {
  const [one, other] = [await add(), await add()]
  const listed = async (query = '') => {
    const { body } = await api.call('GET', `/v1/conversations?limit=100${query}`)
    return body.data.map((row: Json) => row.id) as string[]
  }
  const count = async () => (await api.call('GET', '/v1/conversations/count')).body.count
  const before = await count()
  t.ok((await listed()).includes(other.id))
  t.equal((await merge(one.id, other.id)).status, 200)
  for (const query of ['', '&sort=urgency', `&inbox_id=${ours.inbox_id}`, `&contact_id=${other.contact_id}`])
    t.notOk((await listed(query)).includes(other.id), query)
  t.equal(await count(), before - 1)
  const path = `/v1/conversations/${other.id}`
  for (const [method, rest, body] of [
    ['PATCH', '', { status: 'open' }],
    ['POST', '/replies', { body: 'Hello' }],
    ['POST', '/notes', { body: 'Hello' }],
    ['PUT', '/draft', { body: 'Hello' }],
    ['PUT', '/tags/refund', undefined],
    ['PUT', '/assignee', { assignee_id: null, from: null }],
    ['PUT', '/read', {}],
    ['POST', '/split', { message_ids: [other.messages[0]] }],
  ] as const) {
    const headers = { 'if-match': '"2"', ...(rest === '/replies' ? { 'idempotency-key': 'threads-0001' } : {}) }
    const as: Record<string, string> =
      rest === '/read' ? { authorization: `Bearer ${(await addKey(api.db, ours.workspace_id, 'agent')).key}` } : {}
    const answer = await api.call(method, path + rest, body, { ...(rest === '/draft' ? {} : headers), ...as })
    isProblem(t, answer, 409, 'conversation-merged', `${method} ${rest}`)
    t.equal(answer.body.merged_into_id, one.id)
  }
  t.equal((await api.call('GET', `${path}/timeline`)).status, 200)
})

t.test('a conversation that the caller does not see is merged neither from nor into', async t => {
  const { id: hidden } = (await api.call('POST', '/v1/inboxes', { name: 'Hidden' })).body
  const elsewhere = await addConversation(api, { ...ours, inbox_id: hidden }, channel)
  const one = await add()
  const robot = { name: 'Robot', role: 'agent', inbox_ids: [ours.inbox_id] }
  const made = await api.call('POST', '/v1/api_keys', robot)
  const authorization = `Bearer ${made.body.key}`
  const nowhere = '00000000-0000-7000-8000-000000000000'
  const refused = await merge(one.id, elsewhere.id, 1, { authorization })
  isProblem(t, refused, 422, 'validation-failed', 'from')
  t.equal(refused.body.detail, (await merge(one.id, nowhere, 1, { authorization })).body.detail)
  isProblem(t, await merge(elsewhere.id, one.id, 1, { authorization }), 404, 'not-found', 'into')
})

t.test('of many merges and splits at once each message stands in one conversation and none fails', async t => {
  const all = await Promise.all([add(3), add(3), add(3)])
  const answers = await atOnce(12, async index => {
    const [into, from] = [all[index % 3]!, all[(index + 1) % 3]!]
    if (index % 4 !== 3) return merge(into.id, from.id)
    const body = { message_ids: [into.messages[0]] }
    return api.call('POST', `/v1/conversations/${into.id}/split`, body, { 'if-match': '"1"' })
  })
  for (const { status } of answers) t.ok([200, 201, 409, 412, 422].includes(status), String(status))
  for (const id of all.flatMap(row => row.messages)) {
    const [row] = await api.query(
      `select c.status from messages m join conversations c on c.id = m.conversation_id where m.id = '${id}'`,
    )
    t.not(row.status, 'merged')
  }
})

t.test('a reply to a moved message is queued in the survivor', async t => {
  const [one, other] = [await add(), await add()]
  await merge(one.id, other.id)
  const reply = { body: 'Hello', in_reply_to: other.messages[0] }
  const answer = await api.call('POST', `/v1/conversations/${one.id}/replies`, reply, {
    'idempotency-key': 'threads-0002',
  })
  t.equal(answer.status, 202, answer.text)
  t.match(answer.body, { conversation_id: one.id, contact_id: other.contact_id })
})
