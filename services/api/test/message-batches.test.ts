import { randomUUID } from 'node:crypto'
import { newId } from '@parley/db'
import { until } from '@parley/testing'
import t from 'tap'
import { workBatches } from './batches.ts'
import { addChannel, addConversation, addKey, atOnce, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours, db } = api
const channel = await addChannel(api)
const REASON = 'Only thanks'

const bulk = (body: Json, key: string = randomUUID(), headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/messages/bulk', body, { 'idempotency-key': key, ...headers })
const undo = (id: string, headers: Record<string, string> = {}) =>
  api.call('POST', `/v1/message_batches/${id}/undo`, undefined, { 'idempotency-key': randomUUID(), ...headers })
const get = async (path: string, headers: Record<string, string> = {}) => {
  const { status, body, text } = await api.call('GET', path, undefined, headers)
  if (status !== 200) throw new Error(text)
  return body
}
const as = (key: string) => ({ authorization: `Bearer ${key}` })
const batchesMade = async () => (await api.query('select count(*)::int as count from message_batches'))[0].count

t.test('a call says which messages, what and why, in one way only', async t => {
  const { id: conversation_id, messages } = await addConversation(api, ours, channel)
  const post_id = newId(api.clock.now)
  const dismissal = { action: 'dismiss', reason: REASON }
  const made = await batchesMade()
  const wrong: Json[] = [
    { ...dismissal },
    { action: 'dismiss', message_ids: messages },
    { action: 'like', reason: REASON, message_ids: messages },
    { action: 'edit', message_ids: messages },
    { ...dismissal, message_ids: [] },
    { ...dismissal, message_ids: [messages[0], messages[0]] },
    { ...dismissal, message_ids: Array.from({ length: 501 }, () => randomUUID()) },
    { ...dismissal, message_ids: messages, conversation_id },
    { ...dismissal, conversation_id, post_id },
    { ...dismissal, conversation_id, fingerprint: '0123456789abcdef' },
    { ...dismissal, message_ids: messages, up_to: messages[0] },
    { ...dismissal, conversation_id, up_to: 'yesterday' },
    { ...dismissal, conversation_id, until: messages[0] },
    { action: 'delete', conversation_id },
  ]
  for (const body of wrong) isProblem(t, await bulk(body), 422, 'validation-failed', JSON.stringify(body).slice(0, 120))
  const without = await api.call('POST', '/v1/messages/bulk', { ...dismissal, message_ids: messages })
  isProblem(t, without, 400, 'idempotency-key-required', 'without a key')
  t.equal(await batchesMade(), made)
})

t.test('the same call again is the same batch, and does nothing twice', async t => {
  const { messages } = await addConversation(api, ours, channel, { messages: 3 })
  const body = { action: 'dismiss', reason: REASON, message_ids: messages }
  const made = await batchesMade()
  const answers = await atOnce(8, () => bulk(body, 'eight-at-once'))
  const done = answers.filter(({ status }) => status === 202)
  t.ok(done.length >= 1)
  for (const answer of answers)
    if (answer.status !== 202) isProblem(t, answer, 409, 'idempotency-in-progress', 'others')
  const again = await bulk(body, 'eight-at-once')
  t.equal(again.headers['idempotency-replayed'], 'true')
  t.equal(new Set([...done, again].map(({ body }) => body.id)).size, 1)
  t.equal(await batchesMade(), made + 1)
  isProblem(t, await bulk({ ...body, reason: 'Other' }, 'eight-at-once'), 422, 'idempotency-key-reused', 'another body')
  await workBatches(api)
  const first = (await undo(again.body.id)).body
  t.equal(first.undoes, again.body.id)
  const second = await undo(again.body.id)
  isProblem(t, second, 409, 'conflict', 'twice')
  t.equal(second.body.undone_by, first.id)
})

t.test('a batch tells how far it is, and its messages page by page', async t => {
  const { id: conversation_id, messages } = await addConversation(api, ours, channel, { messages: 5 })
  const batch = (await bulk({ action: 'dismiss', reason: REASON, conversation_id })).body
  const path = `/v1/message_batches/${batch.id}`
  t.match(await get(path), { state: 'running', total: 5, counts: { pending: 5 }, finished_at: null })
  t.notOk('network' in (await get(path)), 'nothing of it goes to a network')
  t.match((await get(`${path}/items`)).data[0], { result: 'pending', conversation_id, at: null, action: null })
  await workBatches(api)
  t.match(await get(path), { state: 'finished', counts: { pending: 0, done: 5 } })
  const first = await get(`${path}/items?limit=3&result=done`)
  const second = await get(`${path}/items?limit=3&result=done&cursor=${encodeURIComponent(first.next_cursor)}`)
  const listed = [...first.data, ...second.data].map((item: Json) => item.message_id)
  t.same(listed, [...messages].sort())
  t.equal(second.next_cursor, null)
  t.same((await get(`${path}/items?result=pending`)).data, [])
  const both = await api.call('GET', `${path}/items?result=done&action_state=sent`)
  isProblem(t, both, 422, 'validation-failed', 'both filters')
})

t.test('what goes to a network is told as it stands there', async t => {
  const settings = { action_url: 'https://shop.example.com/actions', actions: ['like', 'unlike'] }
  const body = { kind: 'generic', name: 'Liked', inbox_id: ours.inbox_id, settings }
  const liked = (await api.call('POST', '/v1/channels', body)).body
  const { messages } = await addConversation(api, ours, liked, { messages: 3 })
  const hiding = (await bulk({ action: 'hide', message_ids: messages })).body
  const liking = (await bulk({ action: 'like', message_ids: messages })).body
  await workBatches(api)
  t.match((await get(`/v1/message_batches/${hiding.id}`)).counts, { refused: 3 })
  const [refused] = (await get(`/v1/message_batches/${hiding.id}/items`)).data
  t.match(refused, { result: 'refused', code: 'action_refused', detail: /no way to hide/, action: null })
  await api.query(`update message_actions set state = 'rejected', state_reason = 'Too late.', next_attempt_at = null
    where message_id = '${messages[1]}'`)
  const path = `/v1/message_batches/${liking.id}`
  t.match(await get(path), { counts: { done: 3 }, network: { queued: 2, rejected: 1 } })
  t.match((await get(`${path}/items?action_state=rejected`)).data, [
    { message_id: messages[1], result: 'done', action: { verb: 'like', state: 'rejected', state_reason: 'Too late.' } },
  ])
  const { conversation_id } = refused
  const { data } = await get(`/v1/conversations/${conversation_id}/messages/${messages[0]}/actions`)
  t.match(data, [{ verb: 'like', batch_id: liking.id }])
  const taken = (await undo(liking.id)).body
  await workBatches(api)
  t.match((await get(`/v1/message_batches/${taken.id}`)).counts, { done: 2, unchanged: 1 })
  t.match((await get(path)).network, { cancelled: 2, rejected: 1 })
})

t.test('a batch is seen by whoever sees all inboxes in which its messages lie, and so are its events', async t => {
  const hidden = (await api.call('POST', '/v1/inboxes', { name: 'Behind a door' })).body.id
  const insider = await addKey(db, ours.workspace_id, 'agent')
  await api.call('PUT', `/v1/inboxes/${hidden}/members/${insider.user_id}`)
  const outsider = await addKey(db, ours.workspace_id, 'agent')
  const [here, there] = [
    await addConversation(api, ours, channel),
    await addConversation(api, { ...ours, inbox_id: hidden }, await addChannel(api, { ...ours, inbox_id: hidden })),
  ]
  const message_ids = [...here.messages, ...there.messages]
  const order = { action: 'dismiss', reason: REASON, message_ids }
  const byInsider = (await bulk(order, randomUUID(), as(insider.key))).body
  const byOutsider = (await bulk(order, randomUUID(), as(outsider.key))).body
  t.match(byInsider, { total: 2, counts: { pending: 2, refused: 0 }, created_by: { id: insider.user_id } })
  t.match(byOutsider, { total: 2, counts: { pending: 1, refused: 1 } })
  await workBatches(api)
  const items = (await get(`/v1/message_batches/${byOutsider.id}/items`, as(outsider.key))).data
  const unseen = items.find((item: Json) => item.message_id === there.messages[0])
  t.match(unseen, { result: 'refused', code: 'not_found', conversation_id: null })

  const listed = async (key: string) => (await get('/v1/message_batches', as(key))).data.map(({ id }: Json) => id)
  t.ok((await listed(outsider.key)).includes(byOutsider.id))
  t.notOk((await listed(outsider.key)).includes(byInsider.id))
  t.ok((await listed(insider.key)).includes(byInsider.id))
  for (const path of ['', '/items']) {
    const read = await api.call('GET', `/v1/message_batches/${byInsider.id}${path}`, undefined, as(outsider.key))
    isProblem(t, read, 404, 'not-found', path)
  }
  isProblem(t, await undo(byInsider.id, as(outsider.key)), 404, 'not-found', 'undo')

  const told = async (key: string) => {
    const seen: string[] = []
    for (let after: string | undefined; ; ) {
      const query = `limit=100${after ? `&after=${after}` : ''}`
      const { data, next_cursor } = await get(`/v1/events?${query}`, as(key))
      for (const { type, data: about } of data) if (type === 'message_batch.finished') seen.push(about.batch_id)
      if (data.length === 0 || next_cursor === null || next_cursor === after) return seen
      after = next_cursor
    }
  }
  // The log is told up to the oldest transaction of the server, whoever's that is.
  await until('its own is told', async () => (await told(insider.key)).includes(byInsider.id))
  await until('the other is told', async () => (await told(outsider.key)).includes(byOutsider.id))
  t.notOk((await told(outsider.key)).includes(byInsider.id))
})

t.test('a conversation that was merged is not acted on, and its messages are found in the other one', async t => {
  const [into, from] = [await addConversation(api, ours, channel), await addConversation(api, ours, channel)]
  const merge = await api.call(
    'POST',
    `/v1/conversations/${into.id}/merge`,
    { from_id: from.id },
    { 'if-match': '"1"' },
  )
  t.equal(merge.status, 200)
  const order = { action: 'dismiss', reason: REASON }
  const pointer = await bulk({ ...order, conversation_id: from.id })
  isProblem(t, pointer, 409, 'conversation-merged', 'the pointer')
  t.equal(pointer.body.merged_into_id, into.id)
  t.equal((await bulk({ ...order, conversation_id: into.id })).body.total, 2)
})
