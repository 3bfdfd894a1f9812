import { readFileSync } from 'node:fs'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8')

t.test('the requests of the page about rules are answered as it says', async t => {
  const api = await testApi(t)
  const { id } = await addConversation(api, api.ours, await addChannel(api))
  await api.call('POST', '/v1/tags', { name: 'Late parcel' })
  for (const definition of [
    { key: 'tier', type: 'select', options: ['gold', 'silver'] },
    { key: 'vip', type: 'boolean' },
    { key: 'orders', type: 'number' },
  ])
    await api.call('POST', '/v1/attributes', { ...definition, label: definition.key, applies_to: 'conversation' })
  const { key } = api.ours
  const person = (await api.call('POST', '/v1/users', { name: 'Ana', role: 'admin' })).body.id
  api.ours.key = (await api.call('POST', '/v1/api_keys', { name: 'Ana', role: 'admin', user_id: person })).body.key
  t.not(api.ours.key, key)
  const values: Record<string, string> = { conversation_id: id }
  const after = {
    'POST /v1/conversations/bulk': (answer: Json) => {
      values.batch_id = answer.batch_id
    },
    'POST /v1/macros': (answer: Json) => {
      values.macro_id = answer.id
    },
  }
  const [bulk, listed, read, , tried, ran] = await follow(t, api, page, values, {}, after)
  t.match(bulk.data, [{ id, result: 'changed', actions: [{ result: 'changed' }, { result: 'changed' }] }])
  t.match(listed.data, [{ id: values.batch_id, idempotency_key: 'monday-cleaning', state: 'done' }])
  t.match(read, { total: 1, done: 1, tally: { changed: 1 }, data: [{ id }] })
  t.match(tried, { dry_run: true, actions: [{ result: 'changed' }, { result: 'changed' }] })
  t.same(ran.actions, tried.actions)
})

t.test('the page names every field of a condition', async t => {
  const api = await testApi(t)
  const { schemas } = (await api.inject({ method: 'GET', url: '/openapi.json' })).body.components
  const condition = Object.entries<Json>(schemas).find(([name]) => name.startsWith('RuleCondition'))![1]
  const { properties } = condition.properties ? condition : schemas.RuleConditionInput
  t.ok(Object.keys(properties).length > 20)
  for (const name of Object.keys(properties)) t.ok(page.includes(`\`${name}\``), name)
})
