import { readFileSync } from 'node:fs'
import { notifyPeople } from '@parley/core'
import { type EventRow, keepVisible, newId } from '@parley/db'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, addKey, addNotification, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/collaboration.md', import.meta.url), 'utf8')

t.test('the requests of the page about working together are answered as it says', async t => {
  const api = await testApi(t)
  const { id, messages } = await addConversation(api, api.ours, await addChannel(api))
  const ben = await addKey(api.db, api.ours.workspace_id, 'agent')
  const team = await api.call('POST', '/v1/teams', { name: 'Parcels' })
  const eve = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('PUT', `/v1/teams/${team.body.id}/members/${eve.user_id}`)
  const values: Record<string, string> = {
    conversation_id: id,
    message_id: messages[0]!,
    user_id: ben.user_id!,
    team_id: team.body.id,
    notification_id: await addNotification(api, api.ours, id),
  }
  const after = {
    'POST /v1/tasks': (answer: Json) => {
      values.task_id = answer.id
    },
    'POST /v1/conversations/{conversation_id}/expert_links': (answer: Json) => {
      values.token = answer.token
    },
    'GET /v1/conversations/{conversation_id}/expert_links': async (answer: Json) => {
      t.match(answer.data, [{ state: 'answered' }])
      const asked = { name: 'Dr. Reed', question: 'And now?' }
      values.link_id = (await api.call('POST', `/v1/conversations/${id}/expert_links`, asked)).body.id
    },
  }
  const answers = await follow(t, api, page, values, {}, after)
  t.same(
    answers[0].mentions.sort((a: Json) => (a.user_id === ben.user_id ? -1 : 1)),
    [
      { user_id: ben.user_id, team_id: null },
      { user_id: eve.user_id, team_id: team.body.id },
    ],
  )
  t.equal(answers[1].data.length, 3, 'those who are mentioned, and the caller')
  t.match(answers[3].data, [{ id }], 'what the caller watches')
  t.match(
    answers.find(answer => answer.customers),
    { customers: [{ name: 'Ana', messages: 1 }], staff: [{ notes: 1 }] },
  )
  t.match(
    answers.find(answer => answer.done_at),
    { state: 'done', version: 2 },
  )
  t.match(
    answers.find(answer => answer.question && answer.messages),
    { question: 'May we take this back?', messages: [{ author: 'customer', body: 'Where is my order?' }] },
  )
  t.same(answers.at(-1).unread, { count: 0, at_least: false })
  const { body } = await api.call('GET', `/v1/conversations/${id}/messages`)
  t.match(
    body.data.find(({ kind, author_type }: Json) => kind === 'note' && author_type === 'user'),
    { mentions: [{}, {}] },
  )
})

t.test('what one person is told is in nobody else’s events', async t => {
  const api = await testApi(t)
  const { workspace_id } = api.ours
  const { id } = await addConversation(api, api.ours, await addChannel(api))
  const ben = await addKey(api.db, workspace_id, 'agent')
  await api.call('POST', `/v1/conversations/${id}/notes`, { body: 'Look', mentions: { user_ids: [ben.user_id] } })
  /** Also what readers are not shown yet while other transactions are open. */
  const all = () =>
    api.db.inWorkspace(
      workspace_id,
      async trx => (await trx.selectFrom('events').selectAll().orderBy('seq').execute()) as unknown as EventRow[],
    )
  const events = await all()
  await api.db.inWorkspace(workspace_id, trx => notifyPeople(trx, events, api.clock.now))
  const told = (rows: { type: string }[]) => rows.filter(({ type }) => type === 'notification.created').length
  const rows = await all()
  t.equal(told(rows), 1)
  const readers: Record<string, [string | null, 'agent' | 'admin', string[] | null, number]> = {
    'the person': [ben.user_id, 'agent', [api.ours.inbox_id], 1],
    'the person without the inbox': [ben.user_id, 'agent', [], 1],
    'an administrator': [newId(api.clock.now), 'admin', null, 0],
    'a key that acts as nobody': [null, 'admin', null, 0],
  }
  for (const [who, [user_id, role, inbox_ids, count]] of Object.entries(readers)) {
    const seen = await api.db.inWorkspace(workspace_id, trx => keepVisible(trx, { user_id, role, inbox_ids }, rows))
    t.equal(told(seen), count, who)
  }
  const mine = await api.call('GET', '/v1/me/notifications', undefined, { authorization: `Bearer ${ben.key}` })
  t.match(mine.body, { data: [{ kind: 'mentioned', conversation_id: id, read_at: null }], unread: { count: 1 } })
})
