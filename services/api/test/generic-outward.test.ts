import { has } from '@parley/testing'
import t from 'tap'
import { addAttachment, addChannel, addConversation, addKey, PNG, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const path = `/v1/channels/${channel.id}`
const limits = { max_count: 1, max_bytes: 1_000_000, media_types: ['image/*'] }

let keys = 0
const key = () => {
  keys += 1
  return { 'idempotency-key': `generic-outward-${keys}` }
}
const declare = async (settings: Record<string, unknown>) => {
  const changed = await api.call('PATCH', path, { settings })
  if (changed.status !== 200) throw new Error(changed.text)
}

t.test(
  'a reply carries files where the channel declares it, and the integration fetches them with its key',
  async t => {
    await declare({ attachments: limits })
    has(t, (await api.call('GET', `${path}/capabilities`)).body, { attachments: limits })
    const conversation = await addConversation(api, api.ours, channel)
    const [first, second] = [await addAttachment(api), await addAttachment(api)]
    const replies = `/v1/conversations/${conversation.id}/replies`
    const reply = (attachment_ids: string[]) =>
      api.call('POST', replies, { body: 'Like this one?', attachment_ids }, key())
    const many = await reply([first.id, second.id])
    isProblem(t, many, 422, 'reply-refused', 'more than it takes')
    const { status, body: queued } = await reply([first.id])
    t.equal(status, 202)
    await api.call('POST', replies, { body: 'Or none?' }, key())

    const { body: outbox } = await api.call('GET', `${path}/outbox`)
    const file = { id: first.id, state: 'stored', media_type: 'image/png', byte_size: PNG.byteLength }
    has(t, outbox.data, [
      { message_id: queued.id, attachments: [file] },
      { text: 'Or none?', attachments: [] },
    ])
    const integration = await addKey(api.db, api.ours.workspace_id, 'agent')
    const content = await api.app.inject({
      url: `/v1/attachments/${outbox.data[0].attachments[0].id}/content`,
      headers: { authorization: `Bearer ${integration.key}` },
    })
    t.equal(content.statusCode, 200)
    t.same(content.rawPayload, PNG)
    const acknowledged = await api.call('POST', `${path}/outbox/${queued.id}/ack`, { external_id: 'answer-1' })
    has(t, acknowledged.body, { state: 'sent', attachments: [{ id: first.id }] })
  },
)

t.test('what is done to messages is what the channel declares; anything else is refused at once', async t => {
  await declare({ action_url: 'https://shop.example.com/actions', actions: ['like', 'hide'] })
  has(t, (await api.call('GET', `${path}/capabilities`)).body, { actions: ['like', 'hide'], attachments: null })
  const conversation = await addConversation(api, api.ours, channel)
  const actions = `/v1/conversations/${conversation.id}/messages/${conversation.messages[0]}/actions`
  const hidden = await api.call('POST', actions, { verb: 'hide' }, key())
  has(t, hidden, { status: 202, body: { verb: 'hide', state: 'queued' } })
  for (const verb of ['unhide', 'unlike', 'delete']) {
    isProblem(t, await api.call('POST', actions, { verb }, key()), 422, 'action-refused', verb)
  }
  has(t, (await api.call('GET', actions)).body, { data: [{ id: hidden.body.id }] })
  const { id } = await addAttachment(api)
  const replies = `/v1/conversations/${conversation.id}/replies`
  const refused = await api.call('POST', replies, { body: 'Here', attachment_ids: [id] }, key())
  isProblem(t, refused, 422, 'reply-refused', 'files are declared no more')
})

t.test('where actions are to be sent is looked at as closely as where replies are', async t => {
  for (const action_url of ['http://169.254.169.254/', 'https://localhost/', 'https://u:p@example.com']) {
    const answer = await api.call('PATCH', path, { settings: { action_url, actions: ['like'] } })
    isProblem(t, answer, 422, 'validation-failed', action_url)
    t.match(answer.body.errors, [{ pointer: '/settings/action_url' }], action_url)
  }
  isProblem(t, await api.call('PATCH', path, { settings: { actions: ['like'] } }), 422, 'validation-failed', 'no url')
})
