import { insertVersions } from '@parley/db'
import t from 'tap'
import { addChannel, addConversation, testApi } from './helper.ts'

const api = await testApi(t)
const conversation = await addConversation(api, api.ours, await addChannel(api))
const [message_id] = conversation.messages as [string]

t.test('a message is listed in all its versions, oldest first, the present one last', async t => {
  const version = (minutes: number, body: string) => {
    const version_at = new Date(api.clock.now.getTime() - minutes * 60_000)
    return { message_id, version_at, received_at: version_at, body, body_html: null, body_marks: [] }
  }
  await api.db.inWorkspace(api.ours.workspace_id, trx =>
    insertVersions(trx, [version(10, 'second'), version(20, 'first'), version(10, 'second')]),
  )
  const { status, body } = await api.call('GET', `/v1/messages/${message_id}/versions`)
  t.equal(status, 200)
  t.same(
    body.data.slice(0, 2).map((kept: { body: string }) => kept.body),
    ['first', 'second'],
  )
  t.equal(body.data.length, 3)
  const { data } = (await api.call('GET', `/v1/conversations/${conversation.id}/messages`)).body
  t.equal(body.data[2].body, data[0].body)
  t.equal((await api.call('GET', `/v1/messages/${conversation.id}/versions`)).status, 404)
})
