import t from 'tap'
import { addChannel, addConversation, addKey, atOnce, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const MINUTE = 60_000

t.test('fifty agents who ask for the next one at once, again and again, get all that waits, each once', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  for (let index = 0; index < 200; index += 1) await addConversation(api, api.ours, channel)
  const agents = await atOnce(50, () => addKey(api.db, api.ours.workspace_id, 'agent'))
  const path = `/v1/inboxes/${api.ours.inbox_id}/next`
  const taken: string[] = []
  await Promise.all(
    agents.map(async ({ key, user_id }) => {
      for (;;) {
        const { status, body } = await api.call('POST', path, undefined, { authorization: `Bearer ${key}` })
        if (status === 204) return
        t.same([status, body.assignee_id], [200, user_id])
        taken.push(body.id)
      }
    }),
  )
  t.equal(taken.length, 200, 'nobody is told that nothing waits while something does')
  t.equal(new Set(taken).size, 200)
  const [{ count }] = await api.query("select count(*)::int as count from assignments where reason = 'next'")
  t.equal(count, 200)
})

t.test('who asks for the next one gets what is most urgent, and the same again with the same key', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const ago = (minutes: number) => new Date(api.clock.now.getTime() - minutes * MINUTE)
  const younger = await addConversation(api, api.ours, channel, { at: ago(5) })
  const quiet = await addConversation(api, api.ours, channel, { at: ago(60), waiting: false })
  const older = await addConversation(api, api.ours, channel, { at: ago(10) })
  const promised = await addConversation(api, api.ours, channel, { at: ago(1) })
  await api.query(`update conversations set next_due_at = now() where id = '${promised.id}'`)
  const path = `/v1/inboxes/${api.ours.inbox_id}/next`
  const taken = []
  for (let turn = 0; turn < 4; turn += 1) {
    const headers = { 'idempotency-key': `the-next-one-${turn}` }
    const first = await api.call('POST', path, undefined, headers)
    t.equal((await api.call('POST', path, undefined, headers)).text, first.text)
    taken.push(first.body.id)
  }
  t.same(taken, [promised.id, older.id, younger.id, quiet.id])
  const none = await api.call('POST', path, undefined, { 'idempotency-key': 'nothing-is-left' })
  t.same([none.status, none.text], [204, ''])
  t.equal((await api.call('POST', path, undefined, { 'idempotency-key': 'nothing-is-left' })).status, 204)
})

t.test('nobody is told that nothing waits while a transaction that may yet roll back has it', async t => {
  const api = await testApi(t)
  const { id } = await addConversation(api, api.ours, await addChannel(api))
  let asked: Promise<{ status: number; body: { id: string } }> | undefined
  await api.db
    .inWorkspace(api.ours.workspace_id, async trx => {
      await trx.selectFrom('conversations').select('id').where('id', '=', id).forUpdate().execute()
      asked = api.call('POST', `/v1/inboxes/${api.ours.inbox_id}/next`)
      const waiting = "select count(*)::int as count from pg_stat_activity where wait_event_type = 'Lock'"
      while ((await api.query(`${waiting} and datname = current_database()`))[0].count === 0);
      throw new Error('rolled back')
    })
    .catch(() => {})
  t.same([(await asked)!.status, (await asked)!.body.id], [200, id])
})

t.test(
  'a conversation is given to a team that works in its inbox, if its team is still the one that was seen',
  async t => {
    const api = await testApi(t)
    const { id } = await addConversation(api, api.ours, await addChannel(api))
    const team = async (name: string) => (await api.call('POST', '/v1/teams', { name })).body.id
    const [mornings, evenings] = [await team('Mornings'), await team('Evenings')]
    const put = (team_id: string | null, from: string | null) =>
      api.call('PUT', `/v1/conversations/${id}/team`, { team_id, from })
    t.match(await put(mornings, null), { status: 200, body: { team_id: mornings, version: 2 } })
    t.match(await put(mornings, null), { status: 200, body: { version: 2 } }, 'what is so changes nothing')
    const late = await put(evenings, null)
    isProblem(t, late, 412, 'version-mismatch', 'another one has it')
    t.equal(late.body.team_id, mornings)
    await api.call('PUT', `/v1/inboxes/${api.ours.inbox_id}/teams/${mornings}`)
    isProblem(t, await put(evenings, mornings), 422, 'validation-failed', 'a team that does not work there')
    t.match(await put(null, mornings), { status: 200, body: { team_id: null } })
    const { data } = (await api.call('GET', `/v1/conversations/${id}/timeline`)).body
    const changes = data.filter((event: { type: string }) => event.type === 'conversation.updated')
    t.match(changes, [
      { data: { team_id: mornings }, previous: { team_id: null } },
      { data: { team_id: null }, previous: { team_id: mornings } },
    ])
  },
)

t.test('credit stays with whoever owned a conversation when it was resolved', async t => {
  const api = await testApi(t)
  const { id } = await addConversation(api, api.ours, await addChannel(api))
  const claimed = await api.call('POST', `/v1/conversations/${id}/claim`)
  const headers = { 'if-match': String(claimed.headers.etag) }
  await api.call('PATCH', `/v1/conversations/${id}`, { status: 'resolved' }, headers)
  const from = claimed.body.assignee_id
  await api.call('PUT', `/v1/conversations/${id}/assignee`, { assignee_id: null, from })
  const [event] = await api.query("select data from events where type = 'conversation.resolved'")
  t.match(event.data, { assignee_id: from, team_id: null })
})
