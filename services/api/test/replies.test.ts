import { beginSendAttempt, finishSendAttempt } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { addAttachment, addChannel, addConversation, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
let keys = 0
const key = () => {
  keys += 1
  return { 'idempotency-key': `replies-test-${keys}` }
}
const open = () => addConversation(api, api.ours, channel)
const reply = (conversation: { id: string }, body: Json, headers = key()) =>
  api.call('POST', `/v1/conversations/${conversation.id}/replies`, { body: 'It arrives today.', ...body }, headers)
t.test('of fifty agents who answer at once and have seen the same, one is taken in', async t => {
  const conversation = await open()
  const seen_up_to = conversation.messages.at(-1)!
  const answers = await Promise.all(Array.from({ length: 50 }, () => reply(conversation, { seen_up_to })))
  const taken = answers.filter(({ status }) => status === 202)
  t.equal(taken.length, 1)
  for (const answer of answers.filter(({ status }) => status !== 202)) {
    isProblem(t, answer, 409, 'newer-messages', 'the others')
    has(t, answer.body.messages, [{ id: taken[0]!.body.id, body: 'It arrives today.' }])
  }
  const { body } = await api.call('GET', `/v1/conversations/${conversation.id}/messages`)
  t.equal(body.data.filter((message: Json) => message.direction === 'outbound').length, 1)
})

t.test('one key is one reply, however often it is sent at once', async t => {
  const conversation = await open()
  const same = key()
  const answers = await Promise.all(Array.from({ length: 20 }, () => reply(conversation, {}, same)))
  const ids = answers.filter(({ status }) => status === 202).map(({ body }) => body.id)
  t.equal(new Set(ids).size, 1)
  for (const answer of answers.filter(({ status }) => status !== 202)) {
    isProblem(t, answer, 409, 'idempotency-in-progress', 'while it is taken in')
  }
})

t.test('a reply is held, taken back, and sent after all', async t => {
  const conversation = await open()
  const { body: held } = await reply(conversation, { hold_seconds: 60 })
  has(t, held, { state: 'queued', hold_until: new Date(api.clock.now.getTime() + 60_000).toISOString() })
  const cancelled = await api.call('POST', `/v1/messages/${held.id}/cancel`)
  has(t, cancelled, { status: 200, body: { state: 'cancelled', hold_until: null } })
  const again = await api.call('POST', `/v1/messages/${held.id}/retry`, undefined, key())
  has(t, again, { status: 202, body: { state: 'queued' } })
  isProblem(
    t,
    await api.call('POST', `/v1/messages/${held.id}/retry`, undefined, key()),
    409,
    'conflict',
    'it is on its way',
  )
})

t.test('a person decides about what nobody knows, and sees every call that was made', async t => {
  const conversation = await open()
  const { body: doubtful } = await reply(conversation, {})
  await api.db.inWorkspace(api.ours.workspace_id, async trx => {
    const attempt = await beginSendAttempt(trx, doubtful.id, {}, null, api.clock.now)
    const unknown = { outcome: 'unknown' as const, reason: 'Timed out.', look_again_at: null }
    await finishSendAttempt(trx, attempt!, unknown, api.clock.now)
  })
  const path = `/v1/messages/${doubtful.id}`
  const { body: calls } = await api.call('GET', `${path}/attempts`)
  has(t, calls.data, [{ number: 1, outcome: 'unknown', reason: 'Timed out.', looks: 0 }])
  const sent = await api.call('POST', `${path}/mark_sent`, { external_id: 'seen-there' })
  has(t, sent, { status: 200, body: { state: 'sent', external_id: 'seen-there' } })
  isProblem(t, await api.call('POST', `${path}/mark_not_sent`, {}), 409, 'conflict', 'it is known')
  const { body } = await api.call('GET', `/v1/conversations/${conversation.id}`)
  has(t, body, { status: 'pending', waiting_since: null })
})

t.test('what the network of a channel has not is refused at once, with the reason', async t => {
  const conversation = await open()
  const path = `/v1/conversations/${conversation.id}/messages/${conversation.messages[0]}/actions`
  isProblem(t, await api.call('POST', path, { verb: 'like' }, key()), 422, 'action-refused', 'no likes')
  isProblem(t, await api.call('POST', path, { verb: 'like' }), 400, 'idempotency-key-required', 'no key')
  has(t, (await api.call('GET', path)).body, { data: [] })
  const { id } = await addAttachment(api)
  const attachment_ids = [id]
  const carried = await reply(conversation, { attachment_ids })
  isProblem(t, carried, 422, 'reply-refused', 'no files')
  t.match(carried.body.detail, /carry no files/)
  t.equal((await reply(conversation, { attachment_ids: ['00000000-0000-7000-8000-000000000000'] })).status, 422)
  const late = await reply(conversation, { visibility: 'friends' })
  isProblem(t, late, 422, 'validation-failed', 'no such visibility')
})

t.test('whoever lets a channel go on is told which replies are old by now', async t => {
  const resting = await addChannel(api)
  const path = `/v1/channels/${resting.id}`
  const conversation = await addConversation(api, api.ours, resting)
  t.equal((await api.call('PATCH', path, { old_reply_seconds: 3600 })).body.old_reply_seconds, 3600)
  t.equal((await api.call('POST', `${path}/pause`)).status, 200)
  const { body: old } = await reply(conversation, {})
  const before = api.clock.now
  api.clock.now = new Date(before.getTime() + 3_601_000)
  const { body: young } = await reply(conversation, {})
  const resumed = await api.call('POST', `${path}/resume`)
  has(t, resumed.body, { status: 'active', old_replies: [{ message_id: old.id, conversation_id: conversation.id }] })
  t.equal(resumed.body.old_replies.length, 1, `${young.id} is not old`)
  has(t, (await api.call('POST', `${path}/resume`)).body, { old_replies: [] })
  api.clock.now = before
})
