import t from 'tap'
import { addChannel, addConversation, addCustomerMessage, addKey, atOnce, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const channel = await addChannel(api)
const count = async (sql: string) => (await api.query(`select count(*)::int as count from ${sql}`))[0].count

t.test('fifty agents who claim one conversation make one owner', async t => {
  const { id } = await addConversation(api, ours, channel)
  const agents = await atOnce(50, () => addKey(api.db, ours.workspace_id, 'agent'))
  const answers = await Promise.all(
    agents.map(({ key }) =>
      api.call('POST', `/v1/conversations/${id}/claim`, undefined, { authorization: `Bearer ${key}` }),
    ),
  )
  const winners = answers.flatMap((answer, index) => (answer.status === 200 ? [{ answer, agent: agents[index]! }] : []))
  t.equal(winners.length, 1)
  const [{ answer: won, agent }] = winners as [(typeof winners)[0]]
  t.equal(won.body.assignee_id, agent.user_id)
  for (const answer of answers.filter(answer => answer !== won)) {
    isProblem(t, answer, 409, 'already-assigned', 'too late')
    t.equal(answer.body.assignee_id, agent.user_id, 'and by whom')
  }
  t.equal(await count(`assignments where conversation_id = '${id}'`), 1)
  t.equal(await count(`events where conversation_id = '${id}' and type = 'conversation.assigned'`), 1)
  const { body } = await api.call('GET', `/v1/conversations/${id}`)
  t.same([body.assignee_id, body.version], [agent.user_id, 2])
})

t.test('of fifty changes from the same version one is made, and the others change nothing', async t => {
  const { id } = await addConversation(api, ours, channel)
  const path = `/v1/conversations/${id}`
  const statuses = ['pending', 'resolved', 'spam']
  const answers = await atOnce(50, index =>
    api.call('PATCH', path, { status: statuses[index % 3] }, { 'if-match': '"1"' }),
  )
  const made = answers.filter(({ status }) => status === 200)
  t.equal(made.length, 1)
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    isProblem(t, answer, 412, 'version-mismatch', 'a stale version')
  }
  t.equal(await count(`events where conversation_id = '${id}'`), 1)
  const { body, headers } = await api.call('GET', path)
  t.same([body.status, body.version, headers.etag], [made[0]!.body.status, 2, '"2"'])
  await changesNothing(t, api, async () => {
    isProblem(
      t,
      await api.call('PATCH', path, { status: 'open' }, { 'if-match': '"1"' }),
      412,
      'version-mismatch',
      'later',
    )
  })
  t.equal((await api.call('PATCH', path, { status: 'open' }, { 'if-match': '"2"' })).body.version, 3)
})

t.test('a reply that has not seen the newest message is refused and shown it, however often it is tried', async t => {
  const conversation = await addConversation(api, ours, channel, { messages: 2 })
  const [first, second] = conversation.messages as [string, string]
  const replies = `/v1/conversations/${conversation.id}/replies`
  const reply = (key: string, fields: Record<string, unknown>) =>
    api.call('POST', replies, { body: 'It is on its way.', ...fields }, { 'idempotency-key': key })
  await changesNothing(t, api, async () => {
    const answers = await atOnce(50, index => reply(`seen-the-first-${index}`, { seen_up_to: first }))
    for (const answer of answers) {
      isProblem(t, answer, 409, 'newer-messages', 'unseen')
      t.match(answer.body.messages, [{ id: second, body: 'Where is my order?', contact_id: conversation.contact_id }])
      t.equal(answer.body.messages.length, 1)
    }
  })
  t.equal((await reply('seen-the-second', { seen_up_to: second })).status, 202, 'whoever has seen it may answer')
  t.equal((await reply('knows-what-they-do', { seen_up_to: first, force: true })).status, 202)
})

t.test('a message that comes while a reply is written is either seen or makes the reply wait', async t => {
  const conversation = await addConversation(api, ours, channel)
  const place = { conversation_id: conversation.id, channel_id: channel.id, contact_id: conversation.contact_id }
  const later = new Date(api.clock.now.getTime() + 1000)
  const write = api.db.inWorkspace(ours.workspace_id, async trx => {
    await trx.selectFrom('conversations').select('id').where('id', '=', conversation.id).forUpdate().execute()
    const id = await addCustomerMessage(trx, place, later)
    // The reply comes in now, and stands behind the lock until the message is there.
    const reply = api.call(
      'POST',
      `/v1/conversations/${conversation.id}/replies`,
      { body: 'It is on its way.', seen_up_to: conversation.messages[0] },
      { 'idempotency-key': 'in-the-meantime' },
    )
    await new Promise(resolve => setTimeout(resolve, 100))
    return { id, reply }
  })
  const { id, reply } = await write
  const answer = await reply
  isProblem(t, answer, 409, 'newer-messages', 'the newer one')
  t.equal(answer.body.messages[0].id, id)
})

t.test('hand-overs in a ring lose no step', async t => {
  const { id } = await addConversation(api, ours, channel)
  const agents = await atOnce(5, () => addKey(api.db, ours.workspace_id, 'agent'))
  const path = `/v1/conversations/${id}/assignee`
  let owner: string | null = null
  let moves = 0
  for (let round = 0; round < 10; round += 1) {
    const answers = await Promise.all(
      agents.map(({ user_id }) => api.call('PUT', path, { from: owner, assignee_id: user_id })),
    )
    const owners = new Set(answers.filter(({ status }) => status === 200).map(({ body }) => body.assignee_id))
    t.ok(answers.every(({ status }) => status === 200 || status === 409))
    const { body } = await api.call('GET', `/v1/conversations/${id}`)
    t.ok(owners.has(body.assignee_id))
    moves += body.assignee_id === owner ? 0 : 1
    owner = body.assignee_id
  }
  const steps = await api.query(
    `select previous_user_id, user_id from assignments where conversation_id = '${id}' order by assigned_at, id`,
  )
  t.equal(steps.length, moves)
  const before = new Set(steps.map(({ previous_user_id }) => previous_user_id))
  for (const { user_id } of steps) t.ok(user_id === owner || before.has(user_id), 'each step goes on from another')
})
