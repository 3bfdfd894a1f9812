import { readFileSync } from 'node:fs'
import { CONVERSATION_SORTS } from '@parley/domain'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/inbox.md', import.meta.url), 'utf8')

t.test('the requests of the page about the inbox are answered as it says', async t => {
  const api = await testApi(t)
  const { id } = await addConversation(api, api.ours, await addChannel(api))
  const values: Record<string, string> = { conversation_id: id }
  const before = {
    '/v1/conversations/{conversation_id}': async () => {
      values.version = (await api.call('GET', `/v1/conversations/${id}`)).body.version
    },
  }
  const after = {
    'POST /v1/views': (answer: Json) => {
      values.view_id = answer.id
    },
  }
  const answers = await follow(t, api, page, values, before, after)
  const lists = answers.filter(answer => Array.isArray(answer.data))
  t.match(lists[0].data, [{ id, last_message: { conversation_id: id } }])
  t.match(lists[1].data, [{ id }], 'the view')
  t.match(lists[2].data, [{ count: { count: 1, at_least: false } }])
  t.match(lists[3].data, [{ name: 'Late parcel' }])
  t.match(lists[4].data, [{ id }], 'by its tag')
  t.match(
    answers.find(answer => answer.snoozed_until),
    { status: 'snoozed', priority: 'high' },
  )
})

t.test('the page names every filter and every sort of the list', async t => {
  const api = await testApi(t)
  const { parameters } = (await api.inject({ method: 'GET', url: '/openapi.json' })).body.paths['/v1/conversations'].get
  const filters = parameters.map(({ name }: Json) => name).filter((name: string) => !['limit', 'cursor'].includes(name))
  t.ok(filters.length >= 12)
  for (const name of filters) t.ok(page.includes(`\`${name}`), name)
  for (const sort of CONVERSATION_SORTS) t.ok(page.includes(`\`${sort}\``), sort)
})
