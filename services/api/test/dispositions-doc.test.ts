import { readFileSync } from 'node:fs'
import { DISPOSITIONS } from '@parley/domain'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/dispositions.md', import.meta.url), 'utf8')

t.test('the requests of the page about dispositions are answered as it says', async t => {
  const api = await testApi(t)
  const { id, messages } = await addConversation(api, api.ours, await addChannel(api))
  const answers = await follow(t, api, page, { conversation_id: id, message_id: messages[0]! }, {}, {})
  t.match(answers, [
    {
      disposition: 'no_reply_needed',
      dismissed_as: 'no_reply_needed',
      dismissed_reason: 'Only thanks',
      attachments: [],
    },
    { disposition: 'unhandled', dismissed_as: null, dismissed_reason: null },
    { disposition: 'spam', dismissed_as: 'spam', dismissed_reason: 'Phishing' },
    { flagged_reason: "Somebody's address", flagged_by_type: 'user', disposition: 'spam' },
    { flagged_at: null, flagged_reason: null },
    { reasons: ['Only thanks', 'Talks to others', 'Phishing'] },
    { reasons: ['Only thanks', 'Talks to others', 'Phishing'] },
  ])
})

t.test('the page says of every disposition when it is so', async t => {
  for (const disposition of DISPOSITIONS) t.match(page, `| \`${disposition}\` |`)
})

t.test(
  'a reason that the workspace does not list is refused with those that it does, and nothing is changed',
  async t => {
    const api = await testApi(t)
    const { id, messages } = await addConversation(api, api.ours, await addChannel(api))
    t.equal((await api.call('PUT', '/v1/dismissal_reasons', { reasons: ['Only thanks'] })).status, 200)
    const url = `/v1/conversations/${id}/messages/${messages[0]}/dismiss`
    const refused = await api.call('POST', url, { reason: 'Because' })
    t.equal(refused.status, 422)
    t.match(refused.body.detail, /Only thanks/)
    t.match((await api.call('GET', `/v1/conversations/${id}/messages`)).body.data, [{ disposition: 'unhandled' }])
    t.equal((await api.call('POST', url, { reason: 'Only thanks' })).status, 200)
  },
)

t.test('reasons that stand twice, or too many of them, are refused', async t => {
  const api = await testApi(t)
  const put = async (reasons: string[]) => (await api.call('PUT', '/v1/dismissal_reasons', { reasons })).status
  t.equal(await put(['a', 'a']), 422)
  t.equal(await put(Array.from({ length: 51 }, (_, number) => `reason ${number}`)), 422)
  t.equal(await put([]), 200)
})
