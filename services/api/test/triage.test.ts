import { readFileSync } from 'node:fs'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, addKey, type Json, testApi, triage } from './helper.ts'

const page = readFileSync(new URL('../../../docs/triage.md', import.meta.url), 'utf8')

t.test('the requests of the page about triage are answered as it says', async t => {
  const api = await testApi(t)
  const { id, messages } = await addConversation(api, api.ours, await addChannel(api))
  await api.query(
    `update messages set body = 'It arrived broken. Why does nobody answer me?' where id = '${messages[0]}'`,
  )
  await triage(api, api.ours, messages)
  const values: Record<string, string> = { conversation_id: id, message_id: messages[0]! }
  const before = {
    '/v1/conversations/{conversation_id}': async () => {
      values.version = (await api.call('GET', `/v1/conversations/${id}`)).body.version
    },
  }
  const answers = await follow(t, api, page, values, before)
  t.match(answers[0], {
    message_id: messages[0],
    sentiment: 'complaint',
    language: 'en',
    explanation: 'Complaint: "broken"; Asks a question: "Why", "?"',
  })
  t.match(answers[1].data, [{ id: messages[0], triage: { reasons: [{ words: ['broken'] }, { code: 'question' }] } }])
  t.match(answers[2].data, [{ id, language: 'en', language_source: 'detected', triage: { message_id: messages[0] } }])
  t.match(answers[3], { sentiment: 'neutral', question: false, rank: 50, corrected: ['sentiment', 'question'] })
  t.match(answers[4], { id, language: 'pt-BR', language_source: 'person' })
})

t.test('conversations are listed by language, by its part or when nobody knows, and counted so', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const languages = ['pt', 'pt-BR', 'en', null]
  const ids: string[] = []
  for (const language of languages) {
    const { id } = await addConversation(api, api.ours, channel)
    const source = language && `'person'`
    await api.query(
      `update conversations set language = ${language && `'${language}'`}, language_source = ${source} where id = '${id}'`,
    )
    ids.push(id)
  }
  const listed = async (query: string) => {
    const { status, body } = await api.call('GET', `/v1/conversations?${query}`)
    t.equal(status, 200)
    return body.data.map(({ language }: Json) => language).sort()
  }
  t.same(await listed('language=pt'), ['pt', 'pt-BR'])
  t.same(await listed('language=pt-br'), ['pt-BR'])
  t.same(await listed('language=none'), [null])
  t.same(await listed('language=de'), [])
  t.equal((await api.call('GET', '/v1/conversations?language=p%25')).status, 422)
  t.match((await api.call('GET', '/v1/conversations/count?language=pt')).body, { count: 2 })
  const view = { name: 'Portuguese', filter: { language: 'pt' } }
  const { body } = await api.call('POST', '/v1/views', view)
  t.equal((await api.call('GET', `/v1/views/${body.id}/conversations`)).body.data.length, 2)
})

t.test('what is not triaged yet is nowhere, and reads as null where it is asked for along with others', async t => {
  const api = await testApi(t)
  const { id, messages } = await addConversation(api, api.ours, await addChannel(api), { messages: 2 })
  await triage(api, api.ours, messages.slice(0, 1))
  t.equal((await api.call('GET', `/v1/messages/${messages[1]}/triage`)).status, 404)
  t.equal((await api.call('PUT', `/v1/messages/${messages[1]}/triage`, { question: true })).status, 404)
  const thread = (await api.call('GET', `/v1/conversations/${id}/messages?include=triage`)).body.data
  t.match(thread, [{ triage: { question: true } }, { triage: null }])
  t.notOk('triage' in (await api.call('GET', `/v1/conversations/${id}/messages`)).body.data[0])
  t.match((await api.call('GET', '/v1/conversations?include=triage')).body.data, [{ triage: null }])
})

t.test('who does not see an inbox neither reads nor corrects what was made of its messages', async t => {
  const api = await testApi(t)
  const { messages } = await addConversation(api, api.ours, await addChannel(api))
  await triage(api, api.ours, messages)
  const outsider = { authorization: `Bearer ${(await addKey(api.db, api.ours.workspace_id, 'agent')).key}` }
  await api.query(`update inboxes set open_to_all = false`)
  for (const [method, body] of [
    ['GET', undefined],
    ['PUT', { question: false }],
  ] as const) {
    const unseen = await api.call(method, `/v1/messages/${messages[0]}/triage`, body, outsider)
    const nowhere = await api.call(method, `/v1/messages/${api.ours.workspace_id}/triage`, body, outsider)
    t.equal(unseen.status, 404)
    const { instance: _, ...told } = unseen.body
    const { instance: __, ...missing } = nowhere.body
    t.same(told, missing)
  }
})

t.test('a correction is refused that says nothing, or something unknown', async t => {
  const api = await testApi(t)
  const { messages } = await addConversation(api, api.ours, await addChannel(api))
  await triage(api, api.ours, messages)
  for (const body of [{}, { sentiment: 'angry' }, { rank: 3 }, { language: 'not a language' }])
    t.equal((await api.call('PUT', `/v1/messages/${messages[0]}/triage`, body)).status, 422, JSON.stringify(body))
  const said = await api.call('PUT', `/v1/messages/${messages[0]}/triage`, { language: null })
  t.match(said.body, { language: null, corrected: ['language'] })
})
