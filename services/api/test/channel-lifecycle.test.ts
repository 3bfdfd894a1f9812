import { openChannel } from '@parley/core'
import { findChannel } from '@parley/db'
import { TEST_SECRET_KEY } from '@parley/testing'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { addChannel, addConversation, addKey, type Json, signed, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const lead = await addKey(api.db, ours.workspace_id, 'lead')
const asLead = { authorization: `Bearer ${lead.key}` }
const did = 'did:plc:brand'
const server = 'https://pds.example.com'
const secret = 'abcd-efgh-ijkl-mnop'

/** What the network answers, by the last part of the method's name, and what it was asked. */
const network: Record<string, () => Response | Promise<Response>> = {}
const asked: { url: string; method: string; body: string }[] = []
const working = {
  createSession: () => Response.json({ did, handle: 'brand.example', accessJwt: 'a', refreshJwt: 'r', active: true }),
  describeServer: () => Response.json({}),
  getSession: () => Response.json({ did, active: true }),
  listNotifications: () => Response.json({ notifications: [] }),
  deleteRecord: () => Response.json({}),
}
const guarded = api.ctx.fetch
api.ctx.fetch = async (input, init) => {
  const url = String(input)
  if (!url.startsWith(server)) return guarded(input, init)
  asked.push({ url, method: init?.method ?? 'GET', body: String(init?.body ?? '') })
  const answer = network[new URL(url).pathname.split('.').at(-1)!]
  if (!answer) throw new TypeError('fetch failed')
  return answer()
}
const refuses = (status: number, error: string) => () => Response.json({ error, message: 'because' }, { status })

async function addBluesky(): Promise<Json> {
  Object.assign(network, working)
  const credentials = { identifier: 'brand.example', app_password: secret }
  const settings = { service_url: server }
  const body = { kind: 'bluesky', name: 'Brand', inbox_id: ours.inbox_id, settings, credentials }
  const made = await api.call('POST', '/v1/channels', body)
  if (made.status !== 201) throw new Error(made.text)
  return made.body
}

const tryOut = (channel: Json) => api.call('POST', `/v1/channels/${channel.id}/test`)
const failed = ({ body }: Json) => body.checks.filter((one: Json) => !one.ok).map((one: Json) => one.name)

t.test('a channel is tried: each thing it needs by itself, and what is wrong in words', async t => {
  const channel = await addBluesky()
  const good = await tryOut(channel)
  t.match(good.body, { ok: true, checks: [{ name: 'server' }, { name: 'login' }, {}, {}, {}] })
  Object.assign(network, { listNotifications: refuses(502, 'UpstreamFailure') })
  const partial = await tryOut(channel)
  t.same([partial.status, partial.body.ok, failed(partial)], [200, false, ['app_view']])
  Object.assign(network, { createSession: refuses(401, 'AuthenticationRequired') })
  const refused = await tryOut(channel)
  t.match(refused.body.checks[1], { name: 'login', ok: false, detail: /refuses this login/ })
  Object.assign(network, { createSession: undefined, describeServer: undefined })
  t.same(failed(await tryOut(channel)), ['server'])
  t.notMatch([good, partial, refused].map(({ text }) => text).join(), secret)
})

t.test('trying a channel changes nothing, also of one that is paused or disabled', async t => {
  const channel = await addBluesky()
  for (const status of ['active', 'paused', 'disabled']) {
    await api.query(`update channels set status = '${status}', status_reason = 'x' where id = '${channel.id}'`)
    await changesNothing(t, api, async () => {
      t.equal((await tryOut(channel)).body.ok, true, status)
    })
  }
})

t.test('no transaction is open while the network is asked', async t => {
  const channel = await addBluesky()
  const open: Json[] = []
  network.describeServer = async () => {
    const sessions = `select state, query from pg_stat_activity where datname = current_database()`
    open.push(await api.query(`${sessions} and state like 'idle in transaction%'`))
    return Response.json({})
  }
  t.equal((await tryOut(channel)).body.ok, true)
  t.same(open, [[]])
})

t.test('a generic channel tells how it is believed, and whether its addresses answer', async t => {
  const pulled = await addChannel(api)
  t.match((await tryOut(pulled)).body, { ok: true, checks: [{ name: 'events' }, { name: 'outbox' }] })
  const settings = { reply_url: `${server}/replies` }
  const pushed = await api.call('PATCH', `/v1/channels/${pulled.id}`, { settings })
  network['/replies'] = () => new Response(null, { status: 405 })
  asked.length = 0
  t.match((await tryOut(pushed.body)).body, {
    ok: true,
    checks: [{ name: 'events' }, { name: 'signing' }, { name: 'reply_url', detail: /405/ }],
  })
  t.same(
    asked.map(({ method }) => method),
    ['HEAD'],
  )
  delete network['/replies']
  t.same(failed(await tryOut(pushed.body)), ['reply_url'])
  const actions = { action_url: `${server}/actions`, actions: ['hide'] }
  await api.call('PATCH', `/v1/channels/${pulled.id}`, { settings: actions })
  network['/actions'] = () => new Response(null, { status: 404 })
  t.match((await tryOut(pulled)).body, {
    ok: true,
    checks: [
      { name: 'events' },
      { name: 'outbox' },
      { name: 'signing', detail: 'Actions are signed' },
      { name: 'action_url', detail: /404/ },
    ],
  })
  delete network['/actions']
  t.same(failed(await tryOut(pulled)), ['action_url'])
})

t.test("a generic channel's settings are an admin's to change, as a whole and as strictly as at first", async t => {
  const channel = await addChannel(api)
  const path = `/v1/channels/${channel.id}`
  const settings = { reply_url: 'https://example.com/replies', reply_window_seconds: 600 }
  const changed = await api.call('PATCH', path, { settings, name: 'Shop 2' })
  t.match(changed.body, { name: 'Shop 2', settings })
  t.same((await api.call('PATCH', path, { settings: {} })).body.settings, {})
  t.equal((await api.call('GET', path)).body.name, 'Shop 2')
  const [event] = await api.query(`select data, previous from events where type = 'channel.updated'
    and data->>'channel_id' = '${channel.id}' and (data->'settings')::text = '{}' order by seq desc limit 1`)
  t.match(event, { data: { settings: {} }, previous: { settings } })
  await changesNothing(t, api, async () => {
    isProblem(t, await api.call('PATCH', path, { settings }, asLead), 403, 'forbidden', 'a lead')
    for (const [given, pointer] of [
      [{ reply_url: 'https://10.0.0.1/' }, '/settings/reply_url'],
      [{ reply_window_seconds: 1 }, '/settings/reply_window_seconds'],
      [{ more: 1 }, '/settings'],
    ] as const) {
      const answer = await api.call('PATCH', path, { settings: given })
      isProblem(t, answer, 422, 'validation-failed', pointer)
      t.match(answer.body.errors, [{ pointer }])
    }
  })
})

t.test('credentials are never shown to a server they were not given for', async t => {
  const channel = await addBluesky()
  const path = `/v1/channels/${channel.id}`
  asked.length = 0
  await changesNothing(t, api, async () => {
    const answer = await api.call('PATCH', path, { settings: { service_url: 'https://elsewhere.example.com' } })
    isProblem(t, answer, 422, 'validation-failed', 'by itself')
  })
  t.same(asked, [])
  const credentials = { identifier: 'brand.example', app_password: 'new-password' }
  const moved = `${server}:8443`
  const answer = await api.call('POST', `${path}/reconnect`, { credentials, settings: { service_url: moved } })
  t.match(answer.body, { status: 'active', settings: { service_url: moved } })
  t.ok(asked.every(({ url, body }) => url.startsWith(moved) && !body.includes(secret)))
})

t.test('a deleted channel keeps nothing secret, and reads and sends nothing more', async t => {
  const channel = await addBluesky()
  const path = `/v1/channels/${channel.id}`
  const conversation = await addConversation(api, ours, channel)
  const reply = async (body: string) => {
    const headers = { 'idempotency-key': `delete-${body}` }
    return (await api.call('POST', `/v1/conversations/${conversation.id}/replies`, { body }, headers)).body.id as string
  }
  const [queued, sending] = [await reply('queued'), await reply('sending')]
  await api.query(`update messages set state = 'sending' where id = '${sending}'`)
  const actions = `/v1/conversations/${conversation.id}/messages/${conversation.messages[0]}/actions`
  t.equal((await api.call('POST', actions, { verb: 'like' }, { 'idempotency-key': 'delete-like' })).status, 202)
  await api.query(`update channels set session_sealed = credentials_sealed where id = '${channel.id}'`)
  t.equal((await api.call('POST', `${path}/backfill`, { days: 1 })).status, 202)

  const deleted = await api.call('DELETE', path)
  t.match(deleted.body, { id: channel.id, status: 'deleted' }, deleted.text)
  const row = await api.db.inWorkspace(ours.workspace_id, trx => findChannel(trx, channel.id))
  const { credentials, session } = openChannel(TEST_SECRET_KEY, row!)
  t.same([credentials, session, row?.next_poll_at, row?.cursor], [{}, null, null, null])
  const states = await api.query(`select id, state, state_reason, next_attempt_at from messages
    where id in ('${queued}', '${sending}') order by state`)
  const state_reason = 'The channel was deleted.'
  t.same(states, [
    { id: queued, state: 'cancelled', state_reason, next_attempt_at: null },
    { id: sending, state: 'unknown', state_reason, next_attempt_at: null },
  ])
  const said = await api.call('GET', `/v1/conversations/${conversation.id}/messages`)
  t.same(
    said.body.data.map(({ state }: Json) => state).sort(),
    ['cancelled', 'received', 'unknown'],
    'the conversation stays',
  )
  const events = await api.query(`select type from events where data->>'reason' = '${state_reason}'
    or (type = 'channel.deleted' and data->>'channel_id' = '${channel.id}') order by seq`)
  t.match((await api.call('GET', actions)).body.data, [{ state: 'cancelled', state_reason }])
  t.same(events.map(({ type }) => type).sort(), [
    'action.cancelled',
    'backfill.cancelled',
    'channel.deleted',
    'reply.cancelled',
    'reply.unknown',
  ])

  for (const [method, suffix] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/test'],
    ['POST', '/resume'],
  ] as const) {
    isProblem(t, await api.call(method, `${path}${suffix}`), 404, 'not-found', `${method} ${suffix}`)
  }
  const listed = await api.call('GET', '/v1/channels?limit=100')
  t.notOk(listed.body.data.some(({ id }: Json) => id === channel.id))
  const again = await api.call(
    'POST',
    `/v1/conversations/${conversation.id}/replies`,
    { body: 'more' },
    { 'idempotency-key': 'delete-more' },
  )
  isProblem(t, again, 422, 'reply-refused', 'a reply has nowhere to go')
  t.equal((await addBluesky()).external_id, did, 'the account can be connected again')
})

t.test('a webhook of a deleted channel is told that it is gone', async t => {
  const channel = await addChannel(api)
  const message = { external_id: '1', kind: 'comment', author: { platform_id: 'ana' }, text: 'Hi' }
  const data = { ...message, created_at: api.clock.now.toISOString() }
  const payload = JSON.stringify({ type: 'message.received', timestamp: data.created_at, data })
  const post = () => {
    const headers = { 'content-type': 'application/json', ...signed(payload, api.clock.now) }
    return api.inject({ method: 'POST', url: `/hooks/${channel.id}`, headers, payload })
  }
  t.equal((await post()).status, 202)
  t.equal((await api.call('DELETE', `/v1/channels/${channel.id}`)).status, 200)
  isProblem(t, await post(), 410, 'channel-gone', 'after')
})

t.test('the document tells what each kind needs, and what it tells is what is taken', async t => {
  const document = (await api.inject({ method: 'GET', url: '/openapi.json' })).body
  const { schema } = document.paths['/v1/channels'].post.requestBody.content['application/json']
  const taken = new Ajv2020({ strict: false, validateFormats: false }).compile(schema)
  Object.assign(network, working)
  const bluesky = { identifier: 'brand.example', app_password: 'x' }
  const bodies: [string, boolean, Json][] = [
    ['a generic channel needs nothing', true, { kind: 'generic' }],
    ['or brings its secrets', true, { kind: 'generic', credentials: { bearer_secret: 'b'.repeat(24) } }],
    ['a Bluesky channel needs a login', false, { kind: 'bluesky' }],
    ['and has one', true, { kind: 'bluesky', settings: { service_url: server }, credentials: bluesky }],
    ['of its own kind', false, { kind: 'generic', credentials: bluesky }],
    [
      'with the settings of its kind',
      false,
      { kind: 'bluesky', settings: { reply_url: server }, credentials: bluesky },
    ],
    ['and no others', false, { kind: 'generic', settings: { more: 1 } }],
    ['of a kind that there is', false, { kind: 'telegraph' }],
  ]
  for (const [what, fits, fields] of bodies) {
    const body = { name: 'Shop', inbox_id: ours.inbox_id, ...fields }
    t.equal(taken(body), fits, what)
    t.equal((await api.call('POST', '/v1/channels', body)).status, fits ? 201 : 422, what)
  }
  t.match(JSON.stringify(schema), /An app password, never the account's own/)
})
