import { until } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, addCustomerMessage, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const channel = await addChannel(api)
const START = Date.UTC(2026, 0, 1)
const conversations: Awaited<ReturnType<typeof addConversation>>[] = []
for (let index = 0; index < 60; index += 1) {
  // Many at the same instant: the id then decides.
  const at = new Date(START + Math.floor(index / 4) * 60_000)
  conversations.push(await addConversation(api, ours, channel, { at }))
}

/** Reads a list to its end; `between` runs after each page. */
async function readAll(path: string, between: (page: number) => Promise<unknown> = async () => {}): Promise<Json[]> {
  const rows: Json[] = []
  let cursor: string | null = ''
  for (let page = 0; cursor !== null; page += 1) {
    const separator = path.includes('?') ? '&' : '?'
    const { status, body, text } = await api.call('GET', cursor ? `${path}${separator}cursor=${cursor}` : path)
    if (status !== 200) throw new Error(text)
    rows.push(...body.data)
    cursor = body.next_cursor
    await between(page)
  }
  return rows
}
const ids = (rows: Json[]) => rows.map(({ id }) => id)
const touch = (id: string, at: Date) =>
  api.db.inWorkspace(ours.workspace_id, trx =>
    trx.updateTable('conversations').set({ last_message_at: at, waiting_since: at }).where('id', '=', id).execute(),
  )

t.test('a list in pages is the list', async t => {
  for (const sort of ['newest', 'oldest', 'waiting', 'urgency']) {
    const whole = await readAll(`/v1/conversations?sort=${sort}&limit=100`)
    t.equal(whole.length, 60)
    for (const limit of [1, 7, 59, 60]) {
      t.same(ids(await readAll(`/v1/conversations?sort=${sort}&limit=${limit}`)), ids(whole), `${sort} by ${limit}`)
    }
  }
  const newest = await readAll('/v1/conversations?limit=100')
  const oldest = await readAll('/v1/conversations?limit=100&sort=oldest')
  t.same(ids(newest), ids(oldest).reverse())
})

t.test('every list has pages', async t => {
  for (let index = 0; index < 3; index += 1) {
    await addChannel(api)
    await addKey(api.db, ours.workspace_id, 'agent')
    const user = await api.call('POST', '/v1/users', { name: `Agent ${index}`, role: 'agent' })
    t.equal(user.status, 201, user.text)
    const inbox = await api.call('POST', '/v1/inboxes', { name: `Inbox ${index}` })
    t.equal(inbox.status, 201, inbox.text)
    const weekly = [{ weekday: 1, opens: '09:00', closes: '17:00' }]
    const definition = { time_zone: 'Europe/Berlin', weekly }
    const calendar = await api.call('POST', '/v1/calendars', { name: `Hours ${index}`, definition })
    t.equal(calendar.status, 201, calendar.text)
    const policy = {
      name: `Policy ${index}`,
      calendar_id: calendar.body.id,
      targets: { first_response: { seconds: 3600 } },
    }
    t.equal((await api.call('POST', '/v1/sla/policies', policy)).status, 201)
    t.equal((await api.call('POST', '/v1/saved_replies', { name: `Reply ${index}`, body: 'Hello' })).status, 201)
    t.equal((await api.call('POST', '/v1/tags', { name: `Tag ${index}` })).status, 201)
    t.equal((await api.call('POST', '/v1/views', { name: 'All', scope: 'workspace', filter: {} })).status, 201)
  }
  const lists = [
    'users',
    'inboxes',
    'channels',
    'api_keys',
    'calendars',
    'sla/policies',
    'saved_replies',
    'contacts',
    'tags',
    'views',
  ]
  for (const list of lists) {
    const whole = await readAll(`/v1/${list}?limit=100`)
    t.ok(whole.length >= 3, list)
    t.same(ids(await readAll(`/v1/${list}?limit=2`)), ids(whole), list)
  }
})

t.test('while rows come, move and go, every unchanged row is read exactly once', async t => {
  for (const sort of ['newest', 'oldest', 'waiting', 'urgency']) {
    const before = await readAll(`/v1/conversations?sort=${sort}&limit=100`)
    // Each page moves two rows, to the front and to the back, takes one out, and adds one at each end.
    const movers = new Set<string>()
    const rows = await readAll(`/v1/conversations?sort=${sort}&limit=7&status=open`, async page => {
      const victims = [before[(page * 11) % 60], before[(page * 17 + 5) % 60], before[(page * 23 + 3) % 60]]
      for (const { id } of victims) movers.add(id)
      await touch(victims[0].id, new Date(START + 90 * 24 * 3600_000 + page))
      await touch(victims[1].id, new Date(START - 90 * 24 * 3600_000 + page))
      const path = `/v1/conversations/${victims[2].id}`
      const { version } = (await api.call('GET', path)).body
      await api.call('PATCH', path, { status: 'spam' }, { 'if-match': `"${version}"` })
      if (page > 20) return
      await addConversation(api, ours, channel, { at: new Date(START + 91 * 24 * 3600_000 + page) })
      await addConversation(api, ours, channel, { at: new Date(START - 91 * 24 * 3600_000 + page) })
    })
    const unchanged = before.filter(({ id, status }: Json) => !movers.has(id) && status === 'open')
    t.ok(unchanged.length > 15, `${unchanged.length} rows stayed as they were`)
    for (const { id } of unchanged) t.equal(rows.filter(row => row.id === id).length, 1, `${sort} ${id}`)
  }
})

t.test('messages and the timeline are read once each while customers write on', async t => {
  const conversation = await addConversation(api, ours, channel, { messages: 25 })
  const path = `/v1/conversations/${conversation.id}`
  for (let index = 0; index < 12; index += 1) await api.call('POST', `${path}/notes`, { body: `${index}` })
  const before = ids(await readAll(`${path}/messages?limit=100`))
  t.equal(before.length, 37)
  const later = async (page: number) => {
    if (page > 5) return
    const place = { conversation_id: conversation.id, channel_id: channel.id, contact_id: conversation.contact_id }
    const at = new Date(api.clock.now.getTime() + (page + 1) * 1000)
    await api.db.inWorkspace(ours.workspace_id, trx => addCustomerMessage(trx, place, at))
  }
  const rows = ids(await readAll(`${path}/messages?limit=5`, later))
  t.same(rows.slice(0, 37), before)
  t.equal(new Set(rows).size, rows.length)
  const events = await readAll(`${path}/timeline?limit=5`)
  t.equal(new Set(ids(events)).size, 12)
  t.equal(events.length, 12)
})

t.test('the log in pages is the log', async t => {
  const stored = await api.query(`select id from events where workspace_id = '${ours.workspace_id}' order by xact, seq`)
  const all: Json[] = []
  let after = ''
  // A writer elsewhere on this server holds readers up for a moment.
  await until('the log is read', async () => {
    const { body } = await api.call('GET', `/v1/events?limit=7${after && `&after=${after}`}`)
    all.push(...body.data)
    after = body.next_cursor ?? after
    return body.next_cursor === null && all.length >= stored.length
  })
  t.same(ids(all), ids(stored))
})

t.test('a cursor goes on with its own list alone', async t => {
  const other = await addKey(api.db, ours.workspace_id, 'admin')
  const theirChannel = await addChannel(api, api.theirs)
  for (let index = 0; index < 3; index += 1) await addConversation(api, api.theirs, theirChannel)
  const { next_cursor } = (await api.call('GET', '/v1/conversations?limit=2&status=open')).body
  t.type(next_cursor, 'string')
  const with_ = (path: string) => `${path}${path.includes('?') ? '&' : '?'}cursor=${next_cursor}`
  const elsewhere = [
    '/v1/conversations',
    '/v1/conversations?status=resolved',
    '/v1/conversations?status=open&status=pending',
    '/v1/conversations?status=open&sort=oldest',
    '/v1/conversations?status=open&sort=waiting',
    '/v1/conversations?status=open&waiting=true',
    `/v1/conversations?status=open&channel_id=${channel.id}`,
    '/v1/conversations?status=open&assignee_id=none',
    `/v1/conversations/${conversations[0]!.id}/messages`,
    `/v1/conversations/${conversations[0]!.id}/timeline`,
    `/v1/channels/${channel.id}/outbox`,
    `/v1/channels/${channel.id}/parked`,
  ]
  for (const path of elsewhere) isProblem(t, await api.call('GET', with_(path)), 400, 'invalid-cursor', path)
  const own = with_('/v1/conversations?status=open')
  const theirs = await api.call('GET', own, undefined, { authorization: `Bearer ${api.theirs.key}` })
  isProblem(t, theirs, 400, 'invalid-cursor', 'another workspace')
  const colleague = await api.call('GET', own, undefined, { authorization: `Bearer ${other.key}` })
  isProblem(t, colleague, 400, 'invalid-cursor', 'another person')
  t.equal((await api.call('GET', `${own}&limit=5`)).body.data.length, 5, 'another limit is the same list')
  const messages = await api.call(
    'GET',
    `/v1/conversations/${(await addConversation(api, ours, channel, { messages: 3 })).id}/messages?limit=1`,
  )
  const wrong = `/v1/conversations/${conversations[0]!.id}/messages?cursor=${messages.body.next_cursor}`
  isProblem(t, await api.call('GET', wrong), 400, 'invalid-cursor', 'another conversation')
})

t.test('no changed byte of a cursor goes unnoticed', async t => {
  const { next_cursor } = (await api.call('GET', '/v1/conversations?limit=2')).body
  const bytes = Buffer.from(next_cursor, 'base64url')
  for (let index = 0; index < bytes.length; index += 1) {
    const edited = Buffer.from(bytes)
    edited[index]! ^= 1
    const answer = await api.call('GET', `/v1/conversations?cursor=${edited.toString('base64url')}`)
    isProblem(t, answer, 400, 'invalid-cursor', `byte ${index}`)
  }
})
