import { until } from '@parley/testing'
import t, { type Test } from 'tap'
import { addAttachment, addChannel, addConversation, addKey, type Json, type TestApi, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

/** An inbox with a channel, a conversation, and an agent who is no member of anything. */
async function shop(t: Test) {
  const api = await testApi(t)
  const agent = await addKey(api.db, api.ours.workspace_id, 'agent')
  const channel = await addChannel(api)
  const conversation = await addConversation(api, api.ours, channel)
  const as =
    (key: string) =>
    (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      api.call(method, path, body, { ...headers, authorization: `Bearer ${key}` })
  return { api, agent, channel, conversation, as, byAgent: as(agent.key), inbox: `/v1/inboxes/${api.ours.inbox_id}` }
}
/** As they are stored: the feed waits for whatever transaction is open elsewhere. */
const eventsOf = (api: TestApi, type: string): Promise<Json[]> =>
  api.query(`select * from events where type = '${type}' order by xact, seq`)

t.test('an inbox without members is open to everybody; its first member closes it to others at once', async t => {
  const { api, agent, conversation, byAgent, inbox, as } = await shop(t)
  const other = await addKey(api.db, api.ours.workspace_id, 'agent')
  const path = `/v1/conversations/${conversation.id}`
  t.equal((await byAgent('GET', path)).status, 200)
  t.equal((await byAgent('GET', '/v1/me')).body.inbox_ids, null)
  const added = await api.call('PUT', `${inbox}/members/${other.user_id}`)
  t.match(added.body, { open_to_all: false, users: [{ id: other.user_id }], teams: [] })
  t.equal((await byAgent('GET', path)).status, 404)
  t.same((await byAgent('GET', '/v1/me')).body.inbox_ids, [])
  t.same((await byAgent('GET', '/v1/inboxes')).body.data, [])
  t.equal((await as(other.key)('GET', path)).status, 200)
  t.equal((await api.call('GET', path)).status, 200, 'administrators see all')
  await api.call('PUT', `${inbox}/members/${agent.user_id}`)
  t.equal((await byAgent('GET', path)).status, 200)
  const again = await api.call('PUT', `${inbox}/members/${agent.user_id}`)
  t.equal(again.body.users.length, 2, 'adding somebody again changes nothing')
  t.equal((await eventsOf(api, 'inbox.member_added')).length, 2)
})

t.test('an inbox whose last member leaves stays closed until somebody opens it', async t => {
  const { api, agent, byAgent, inbox } = await shop(t)
  await api.call('PUT', `${inbox}/members/${agent.user_id}`)
  t.equal((await byAgent('GET', inbox)).status, 200)
  await api.call('DELETE', `${inbox}/members/${agent.user_id}`)
  t.equal((await byAgent('GET', inbox)).status, 404)
  const lead = await addKey(api.db, api.ours.workspace_id, 'lead')
  const byLead = { authorization: `Bearer ${lead.key}` }
  isProblem(t, await api.call('PATCH', inbox, { open_to_all: true }, byLead), 403, 'forbidden', 'not by a lead')
  t.equal((await api.call('PATCH', inbox, { open_to_all: true })).body.open_to_all, true)
  t.equal((await byAgent('GET', inbox)).status, 200)
})

t.test('a team is a member as one: its people see the inbox for as long as they are in it', async t => {
  const { api, agent, byAgent, inbox } = await shop(t)
  const team = (await api.call('POST', '/v1/teams', { name: 'Mornings' })).body
  await api.call('PUT', `${inbox}/teams/${team.id}`)
  t.equal((await byAgent('GET', inbox)).status, 404)
  const members = await api.call('PUT', `/v1/teams/${team.id}/members/${agent.user_id}`)
  t.match(members.body.users, [{ id: agent.user_id }])
  t.equal((await byAgent('GET', inbox)).status, 200)
  await api.call('DELETE', `/v1/teams/${team.id}/members/${agent.user_id}`)
  t.equal((await byAgent('GET', inbox)).status, 404)
  await api.call('PUT', `/v1/teams/${team.id}/members/${agent.user_id}`)
  t.equal((await api.call('PATCH', `/v1/teams/${team.id}`, { name: 'Nights' })).body.name, 'Nights')
  t.equal((await api.call('DELETE', `/v1/teams/${team.id}`)).status, 200)
  t.equal((await byAgent('GET', inbox)).status, 404, 'and not when the team is gone')
  t.equal((await api.call('GET', `/v1/teams/${team.id}/members`)).status, 404)
})

t.test('a conversation goes to those alone who work in its inbox, and leaves those who do not any more', async t => {
  const { api, agent, conversation, inbox, byAgent } = await shop(t)
  const member = await addKey(api.db, api.ours.workspace_id, 'agent')
  const path = `/v1/conversations/${conversation.id}`
  t.equal((await byAgent('POST', `${path}/claim`)).status, 200)
  await api.call('PUT', `${inbox}/members/${member.user_id}`)
  const left = (await api.call('GET', path)).body
  t.equal(left.assignee_id, null, 'what somebody sees no more goes back to the queue')
  const [event] = await eventsOf(api, 'conversation.unassigned')
  t.match(event, { data: { reason: 'not_visible' }, previous: { assignee_id: agent.user_id } })
  const give = (to: string) => api.call('PUT', `${path}/assignee`, { assignee_id: to, from: null })
  isProblem(t, await give(agent.user_id!), 422, 'validation-failed', 'who does not see it')
  t.equal((await give(member.user_id!)).status, 200)
  await api.call('DELETE', `${inbox}/members/${member.user_id}`)
  t.equal((await api.call('GET', path)).body.assignee_id, null)
})

t.test('nobody is left owning what they cannot see, whichever came first', async t => {
  const { api, channel, inbox, as } = await shop(t)
  const keeper = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('PUT', `${inbox}/members/${keeper.user_id}`)
  const team = (await api.call('POST', '/v1/teams', { name: 'Mornings' })).body
  await api.call('PUT', `${inbox}/teams/${team.id}`)
  const ways = {
    member: (id: string) => `${inbox}/members/${id}`,
    'member of a team': (id: string) => `/v1/teams/${team.id}/members/${id}`,
  }
  for (const [what, way] of Object.entries(ways)) {
    for (let round = 0; round < 12; round += 1) {
      const { key, user_id } = await addKey(api.db, api.ours.workspace_id, 'agent')
      await api.call('PUT', way(user_id!))
      const conversation = await addConversation(api, api.ours, channel)
      await Promise.all([
        as(key)('POST', `/v1/conversations/${conversation.id}/claim`),
        api.call('DELETE', way(user_id!)),
      ])
      const { assignee_id } = (await api.call('GET', `/v1/conversations/${conversation.id}`)).body
      t.equal(assignee_id, null, `${what}: ${round}`)
    }
  }
})

t.test('an inbox is deleted when nothing belongs to it', async t => {
  const { api, inbox } = await shop(t)
  isProblem(t, await api.call('DELETE', inbox), 409, 'conflict', 'a channel feeds it')
  const empty = (await api.call('POST', '/v1/inboxes', { name: 'Nothing' })).body
  const { user_id } = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('PUT', `/v1/inboxes/${empty.id}/members/${user_id}`)
  t.equal((await api.call('DELETE', `/v1/inboxes/${empty.id}`)).status, 200)
  t.equal((await api.call('GET', `/v1/inboxes/${empty.id}`)).status, 404)
})

t.test('the log tells each caller what they see, and how people get in to administrators alone', async t => {
  const { api, agent, channel, conversation, inbox, byAgent } = await shop(t)
  const member = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('POST', `/v1/conversations/${conversation.id}/notes`, { body: 'Hello' })
  await api.call('POST', '/v1/api_keys', { name: 'Robot', role: 'agent' })
  await api.call('PUT', `${inbox}/members/${member.user_id}`)
  const types = async (key: string): Promise<string[]> =>
    (await api.call('GET', '/v1/events', undefined, { authorization: `Bearer ${key}` })).body.data.map(
      ({ type }: Json) => type,
    )
  const all = await until('the log tells the last of it', async () => {
    const told = await types(api.ours.key)
    return told.includes('inbox.member_added') && told
  })
  for (const type of ['channel.connected', 'note.created', 'api_key.created']) t.ok(all.includes(type), type)
  t.same(await types(agent.key), [])
  const seen = await types(member.key)
  t.ok(seen.includes('note.created') && seen.includes('channel.connected'))
  t.notOk(seen.includes('api_key.created'))
  const empty = (await byAgent('GET', '/v1/events?limit=1')).body
  t.same(empty.data, [])
  t.ok(empty.next_cursor, 'there is a place to go on from')
  const next = (await byAgent('GET', `/v1/events?limit=1&after=${empty.next_cursor}`)).body
  t.same(next, { data: [], next_cursor: null })
  t.equal(channel.inbox_id, api.ours.inbox_id)
})

t.test('an upload is its author’s until it is in a draft or a reply of an inbox that others see', async t => {
  const { api, agent, conversation, byAgent, inbox, as } = await shop(t)
  const [author, colleague] = [
    await addKey(api.db, api.ours.workspace_id, 'agent'),
    await addKey(api.db, api.ours.workspace_id, 'agent'),
  ]
  for (const { user_id } of [author, colleague]) await api.call('PUT', `${inbox}/members/${user_id}`)
  const file = await addAttachment(api, { ...api.ours, key: author.key })
  const path = `/v1/attachments/${file.id}`
  t.equal((await as(author.key)('GET', path)).status, 200)
  t.equal((await as(colleague.key)('GET', path)).status, 404)
  const draft = { body: 'Here', attachment_ids: [file.id] }
  const stolen = await as(colleague.key)('POST', `/v1/conversations/${conversation.id}/replies`, draft, {
    'idempotency-key': 'stolen-upload',
  })
  isProblem(t, stolen, 422, 'validation-failed', 'nobody sends on what they cannot see')
  await as(author.key)('PUT', `/v1/conversations/${conversation.id}/draft`, draft)
  t.equal((await as(colleague.key)('GET', path)).status, 200)
  t.equal((await byAgent('GET', path)).status, 404)
  t.ok(agent)
})
