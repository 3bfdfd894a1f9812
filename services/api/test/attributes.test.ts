import { readFileSync } from 'node:fs'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const define = async (key: string, type: string, fields: Json = {}) => {
  const made = await api.call('POST', '/v1/attributes', {
    key,
    label: key,
    applies_to: 'conversation',
    type,
    ...fields,
  })
  if (made.status !== 201) throw new Error(made.text)
  return made.body
}
const change = (path: string, version: number, body: Json) =>
  api.call('PATCH', path, body, { 'if-match': `"${version}"` })
const begun = async () => {
  const { id } = await addConversation(api, api.ours, channel)
  let version = (await api.call('GET', `/v1/conversations/${id}`)).body.version as number
  const set = async (attributes: Json) => {
    const answer = await change(`/v1/conversations/${id}`, version, { attributes })
    if (answer.status === 200) version = answer.body.version
    return answer
  }
  return { id, set }
}
const ids = async (query: string) => {
  const { body } = await api.call('GET', `/v1/conversations?${query}`)
  return body.data.map(({ id }: Json) => id).sort()
}

await define('note', 'text')
await define('seats', 'number')
await define('vip', 'boolean')
await define('due', 'date')
const tier = await define('level', 'select', { options: ['gold', 'silver'] })

t.test('what is set stays until it is taken away, and the log tells what it was', async t => {
  const { id, set } = await begun()
  t.same((await set({ note: 'call', seats: 2.5, vip: false, due: '2028-02-29', level: 'gold' })).body.attributes, {
    ...{ note: 'call', seats: 2.5, vip: false, due: '2028-02-29', level: 'gold' },
  })
  const changed = await set({ seats: null, vip: true, level: 'gold' })
  t.same(changed.body.attributes, { note: 'call', vip: true, due: '2028-02-29', level: 'gold' })
  const { version } = changed.body
  t.equal((await set({ vip: true, seats: null })).body.version, version, 'what is so already changes nothing')
  const events = await api.query(`select data, previous from events where conversation_id = '${id}'
    and type = 'conversation.updated' order by seq desc limit 1`)
  t.same(events, [
    { data: { attributes: { seats: null, vip: true } }, previous: { attributes: { seats: 2.5, vip: false } } },
  ])
})

t.test('what is unknown or of another type is refused by its place, and then nothing is changed', async t => {
  const { id, set } = await begun()
  const wrong: Json = {
    ...{ note: 1, seats: '2', vip: 'true', due: '2027-02-29', level: 'bronze', nothing: 1, constructor: true },
  }
  for (const [key, value] of Object.entries(wrong)) {
    const refused = await set({ note: 'fine', [key]: value })
    isProblem(t, refused, 422, 'validation-failed', key)
    t.same(
      refused.body.errors.map(({ pointer }: Json) => pointer),
      [`/attributes/${key}`],
    )
  }
  isProblem(t, await set({ note: 'x'.repeat(1001) }), 422, 'validation-failed', 'too long')
  isProblem(t, await set({ nothing: null }), 422, 'validation-failed', 'not even taken away')
  t.same((await api.call('GET', `/v1/conversations/${id}`)).body.attributes, {})
  t.equal((await set({ note: '😀'.repeat(1000) })).status, 200, 'characters are counted, not bytes')
})

t.test('lists, counts and views find what has all the values that are asked for', async t => {
  const [first, second] = [await begun(), await begun()]
  const long = 'long '.repeat(190)
  await first.set({ seats: 7, due: '2031-01-01', note: `a: b ${long}` })
  await second.set({ seats: 7, note: 'c' })
  t.same(await ids('attribute=seats:7'), [first.id, second.id].sort())
  t.same(await ids('attribute=seats:7.0&attribute=due:2031-01-01'), [first.id])
  t.same(await ids(`attribute=${encodeURIComponent(`note:a: b ${long}`.trim())}`), [], 'to the letter')
  t.same(await ids(`attribute=${encodeURIComponent(`note:a: b ${long}`)}`), [first.id])
  const count = await api.call('GET', '/v1/conversations/count?attribute=seats:7')
  t.same(count.body, { count: 2, at_least: false })
  const view = await api.call('POST', '/v1/views', { name: 'Seven', filter: { attribute: ['seats:7', 'note:c'] } })
  t.equal(view.status, 201, view.text)
  const listed = await api.call('GET', `/v1/views/${view.body.id}/conversations`)
  t.same(
    listed.body.data.map(({ id }: Json) => id),
    [second.id],
  )
  await first.set({ seats: null })
  t.same(await ids('attribute=seats:7'), [second.id], 'what was taken away is found no more')
  for (const filter of ['nothing:1', 'seats:x', 'due:2031', 'vip:yes', 'vip:constructor', 'seats', ':x'])
    isProblem(t, await api.call('GET', `/v1/conversations?attribute=${filter}`), 422, 'validation-failed', filter)
  const unknown = await api.call('POST', '/v1/views', { name: 'None', filter: { attribute: ['nothing:1'] } })
  isProblem(t, unknown, 422, 'validation-failed', 'a view that lists nothing')
})

t.test('an option or an attribute that is put away stays where it is and is not set anew', async t => {
  const [had, other] = [await begun(), await begun()]
  await had.set({ level: 'silver' })
  const path = `/v1/attributes/${tier.id}`
  const fewer = await change(path, 1, { options: ['gold'] })
  t.match(fewer.body, { options: ['gold'], version: 2 })
  t.match((await had.set({ level: 'silver', note: 'kept' })).body, { attributes: { level: 'silver', note: 'kept' } })
  t.same(await ids('attribute=level:silver'), [had.id])
  isProblem(t, await other.set({ level: 'silver' }), 422, 'validation-failed', 'no option any more')
  t.type((await change(path, 2, { archived: true })).body.archived_at, 'string')
  isProblem(t, await other.set({ level: 'gold' }), 422, 'validation-failed', 'in the archive')
  isProblem(t, await change(path, 2, { label: 'Level' }), 412, 'version-mismatch', 'an old version')
  isProblem(t, await api.call('PATCH', path, { label: 'Level' }), 428, 'precondition-required', 'no version')
  t.same((await had.set({ level: null })).body.attributes, { note: 'kept' })
  t.equal((await change(path, 3, { archived: false })).body.archived_at, null)
  const events = await api.query(`select type from events where data->>'attribute_id' = '${tier.id}' order by seq`)
  t.same(
    events.map(({ type }: Json) => type),
    ['attribute.created', 'attribute.updated', 'attribute.archived', 'attribute.updated'],
  )
})

t.test('there is one attribute of a key for each kind, a select has options, and a hundred are enough', async t => {
  const body = { key: 'note', label: 'Note', applies_to: 'conversation', type: 'text' }
  isProblem(t, await api.call('POST', '/v1/attributes', body), 409, 'conflict', 'the same key')
  const wrong = [{ key: 'Note' }, { type: 'select' }, { options: ['a'] }, { type: 'select', options: ['a', 'a'] }]
  for (const fields of wrong) {
    const answer = await api.call('POST', '/v1/attributes', { ...body, key: 'fresh', ...fields })
    isProblem(t, answer, 422, 'validation-failed', JSON.stringify(fields))
  }
  const text = await define('about', 'text', { applies_to: 'contact' })
  isProblem(t, await change(`/v1/attributes/${text.id}`, 1, { options: ['a'] }), 422, 'validation-failed', 'no select')
  const made = await Promise.all(
    Array.from({ length: 103 }, (_, index) =>
      api.call('POST', '/v1/attributes', { ...body, key: `c${index}`, applies_to: 'contact' }),
    ),
  )
  t.equal(made.filter(({ status }) => status === 201).length, 99, 'also when many are defined at once')
})

t.test('an agent reads what there is, and an admin defines it', async t => {
  const { key } = await addKey(api.db, api.ours.workspace_id, 'lead')
  const headers = { authorization: `Bearer ${key}` }
  t.equal((await api.call('GET', `/v1/attributes/${tier.id}`, undefined, headers)).status, 200)
  const body = { key: 'theirs', label: 'Theirs', applies_to: 'conversation', type: 'text' }
  isProblem(t, await api.call('POST', '/v1/attributes', body, headers), 403, 'forbidden', 'a lead')
})

t.test('an attribute of a contact has its type once it is defined; others are free', async t => {
  const fresh = await testApi(t)
  const early = await fresh.call('POST', '/v1/contacts', { name: 'Ana', attributes: { orders: 'many', free: 1 } })
  const body = { key: 'orders', label: 'Orders', applies_to: 'contact', type: 'number' }
  t.equal((await fresh.call('POST', '/v1/attributes', body)).status, 201)
  const patch = (attributes: Json, version: number) =>
    fresh.call('PATCH', `/v1/contacts/${early.body.id}`, { attributes }, { 'if-match': `"${version}"` })
  t.equal((await patch({ orders: 'many', free: 'two' }, 1)).status, 200, 'what is there already is no change')
  const refused = await patch({ orders: 'few' }, 2)
  isProblem(t, refused, 422, 'validation-failed', 'another type')
  t.match(refused.body.errors, [{ pointer: '/attributes/orders' }])
  t.same((await patch({ orders: 3 }, 2)).body.attributes, { orders: 3, free: 'two' })
  const made = await fresh.call('POST', '/v1/contacts', { name: 'Ben', attributes: { orders: 'x' } })
  isProblem(t, made, 422, 'validation-failed', 'nor when they are added')
})

t.test('the requests of the page about attributes are answered as it says', async t => {
  const fresh = await testApi(t)
  const page = readFileSync(new URL('../../../docs/attributes.md', import.meta.url), 'utf8')
  const { id } = await addConversation(fresh, fresh.ours, await addChannel(fresh))
  const { version } = (await fresh.call('GET', `/v1/conversations/${id}`)).body
  const values: Record<string, string> = { conversation_id: id, version }
  const after = {
    'POST /v1/attributes': (answer: Json) => {
      values.attribute_id = answer.id
    },
  }
  const answers = await follow(t, fresh, page, values, {}, after)
  t.match(answers.at(-1).data, [{ id, attributes: { tier: 'gold' } }])
})
