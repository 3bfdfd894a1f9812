import t from 'tap'
import { addChannel, addConversation, addKey, testApi } from './helper.ts'
import { changesNothing, contents, isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
for (let index = 0; index < 3; index += 1) await addConversation(api, api.ours, channel)
const LISTS = [
  '/v1/conversations',
  `/v1/channels/${channel.id}/parked`,
  `/v1/channels/${channel.id}/outbox`,
  '/v1/saved_replies',
  '/v1/contacts',
  '/v1/events',
]
const encoded = encodeURIComponent

t.test('a limit is a whole number from 1 to 100, written as one', async t => {
  await changesNothing(t, api, async () => {
    for (const list of LISTS) {
      for (const limit of ['0', '-1', '101', '1e3', '0x10', '', '5.5', '99999999999', ' 5', '%2B5', '٥', '5&limit=6']) {
        isProblem(t, await api.call('GET', `${list}?limit=${limit}`), 422, 'validation-failed', `${list} ${limit}`)
      }
      t.equal((await api.call('GET', `${list}?limit=100`)).status, 200)
    }
  })
})

t.test('what is no cursor of ours is refused as one', async t => {
  const [list] = LISTS
  const { body } = await api.call('GET', `${list}?limit=1`)
  const genuine: string = body.next_cursor
  const edited = Buffer.from(genuine, 'base64url')
  edited[3]! ^= 1
  const strangers = [
    ...['x', '', '0', 'null', '{}', "' OR 1=1--", genuine.slice(0, -1), `${genuine}A`, `${genuine}=`, genuine.slice(1)],
    ...[edited.toString('base64url'), Buffer.from('{"at":"2026-01-01T00:00:00Z","id":"x"}').toString('base64url')],
    ...[Buffer.from("1'; drop table events").toString('base64url'), 'a'.repeat(10_000), '%', '\u0000'],
  ]
  await changesNothing(t, api, async () => {
    for (const cursor of strangers) {
      const answer = await api.call('GET', `${list}?limit=1&cursor=${encoded(cursor)}`)
      isProblem(t, answer, 400, 'invalid-cursor', cursor.slice(0, 30))
    }
    for (const after of [...strangers, '1', '1-', '-1-0', '1-1e3', `${'9'.repeat(20)}-0`, '1-1-1', genuine]) {
      const answer = await api.call('GET', `/v1/events?after=${encoded(after)}`)
      isProblem(t, answer, 400, 'invalid-cursor', `events ${after.slice(0, 30)}`)
    }
  })
  t.equal((await api.call('GET', `${list}?limit=1&cursor=${genuine}`)).status, 200)
})

t.test('only the sorts of the list are sorts', async t => {
  await changesNothing(t, api, async () => {
    for (const sort of ['created_at;drop', '__proto__', 'constructor', 'NEWEST', '', 'newest&sort=oldest', 'id']) {
      isProblem(t, await api.call('GET', `/v1/conversations?sort=${sort}`), 422, 'validation-failed', sort)
    }
  })
})

t.test('SQL in a text is text', async t => {
  const payloads = [
    "' OR 1=1--",
    "'; drop table users; --",
    '$$',
    '\\',
    '%27',
    "E'\\x27'",
    '"; select 1',
    '$1',
    '{{1}}',
  ]
  const before = await contents(api)
  for (const payload of payloads) {
    const { status, body } = await api.call('POST', '/v1/inboxes', { name: payload })
    t.same([status, body.name], [201, payload])
    for (const field of ['inbox_id', 'channel_id', 'assignee_id', 'status', 'sort', 'waiting']) {
      const answer = await api.call('GET', `/v1/conversations?${field}=${encoded(payload)}`)
      isProblem(t, answer, 422, 'validation-failed', `${field}=${payload}`)
    }
    isProblem(t, await api.call('GET', `/v1/conversations/${encoded(payload)}`), 404, 'not-found', payload)
  }
  const others = ({ inboxes: _, events: __, ...rest }: Record<string, string>) => rest
  t.same(others(await contents(api)), others(before), 'only the inboxes are more, and what is told of them')
  const { body } = await api.call('GET', '/v1/inboxes')
  t.equal(body.data.length, 1 + payloads.length)
})

t.test('a parameter is known by its exact name, and repeated only where it may be', async t => {
  await changesNothing(t, api, async () => {
    for (const query of [
      'status[]=open',
      'status[a]=open',
      'Status=open',
      'STATUS=open',
      'status%00=open',
      'nonsense=1',
      '=1',
    ]) {
      isProblem(t, await api.call('GET', `/v1/conversations?${query}`), 400, 'invalid-request', query)
    }
    for (const query of ['status=open&status=closed', 'inbox_id=a&inbox_id=b', 'status=', 'status=open,resolved']) {
      isProblem(t, await api.call('GET', `/v1/conversations?${query}`), 422, 'validation-failed', query)
    }
    const many = Array.from({ length: 21 }, () => 'status=open').join('&')
    isProblem(t, await api.call('GET', `/v1/conversations?${many}`), 422, 'validation-failed', '21 times')
    t.equal((await api.call('GET', '/v1/conversations?status=open&status=resolved')).body.data.length, 3)
  })
})

t.test('a query parameter is refused as unknown on routes that know none', async t => {
  await changesNothing(t, api, async () => {
    for (const path of ['/v1/me', '/v1/inboxes', '/v1/api_keys', `/v1/channels/${channel.id}`]) {
      isProblem(t, await api.call('GET', `${path}?nonsense=1`), 400, 'invalid-request', path)
    }
    isProblem(t, await api.call('POST', '/v1/inboxes?nonsense=1', { name: 'a' }), 400, 'invalid-request', 'a POST')
  })
})

t.test('odd escapes are refused or taken to the letter, never decoded twice', async t => {
  await changesNothing(t, api, async () => {
    for (const path of ['/v1/conversations/%E0%A4%A', '/v1/conversations/%', '/v1/%ZZ']) {
      isProblem(t, await api.call('GET', path), 400, 'invalid-request', path)
    }
    for (const path of [
      '/v1/conversations/%00',
      '/v1/conversations/%252e',
      '/v1/conversations/%2e%2e%2fme',
      '/v1/conversations/a+b',
    ]) {
      isProblem(t, await api.call('GET', path), 404, 'not-found', path)
    }
    for (const value of ['%E0%A4%A', '%00', '+', '%2B', '%256f']) {
      isProblem(t, await api.call('GET', `/v1/conversations?inbox_id=${value}`), 422, 'validation-failed', value)
      isProblem(t, await api.call('GET', `/v1/conversations?cursor=${value}`), 400, 'invalid-cursor', value)
    }
  })
})

const NO_INSTANTS = [
  ...['2026-02-30T00:00:00Z', 'now', 'infinity', '-infinity', '0000-01-01T00:00:00Z', '+294277-01-01T00:00:00Z'],
  ...[
    '2026-01-01T24:00:00Z',
    '2016-12-31T23:59:60Z',
    '2026-01-01T00:00:00',
    '1767225600000',
    '1767225600',
    '2026-01-01',
  ],
  ...['', 'null', '1969-12-31T23:59:59Z', '2026-13-01T00:00:00Z', '2026-01-01T00:00:00+99:00', '10000-01-01T00:00:00Z'],
]

t.test('an instant is a date that exists, with a zone, from 1970 to 9999', async t => {
  const calendar = (
    await api.call('POST', '/v1/calendars', {
      name: 'Always',
      definition: { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '00:00', closes: '24:00' }] },
    })
  ).body
  const policy = { name: 'An hour', calendar_id: calendar.id, targets: { first_response: { seconds: 3600 } } }
  await changesNothing(t, api, async () => {
    for (const instant of NO_INSTANTS) {
      const query = `from=${encoded(instant)}&to=2026-06-01T00:00:00Z`
      isProblem(t, await api.call('GET', `/v1/sla/breaches?${query}`), 422, 'validation-failed', `from ${instant}`)
      const key = await api.call('POST', '/v1/api_keys', { name: 'a', role: 'agent', expires_at: instant })
      isProblem(t, key, 422, 'validation-failed', `expires_at ${instant}`)
      const answer = await api.call('POST', '/v1/sla/policies', { ...policy, enforce_from: instant })
      isProblem(t, answer, 422, 'validation-failed', `enforce_from ${instant}`)
    }
  })
  const ok = 'from=2026-01-01T00:00:00%2B01:00&to=2026-01-02T00:00:00'
  t.equal((await api.call('GET', `/v1/sla/breaches?${ok}.123Z`)).status, 200)
  t.equal((await api.call('GET', `/v1/sla/summary?${ok}Z`)).body.from, '2025-12-31T23:00:00.000Z')
})

t.test('a period begins before it ends', async t => {
  await changesNothing(t, api, async () => {
    const periods = [
      ['2026-02-01T00:00:00Z', '2026-01-01T00:00:00Z'],
      ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
      ['2026-01-01T01:00:00%2B01:00', '2026-01-01T00:00:00Z'],
    ]
    for (const [from, to] of periods) {
      for (const path of ['/v1/sla/summary', '/v1/sla/breaches']) {
        const answer = await api.call('GET', `${path}?from=${from}&to=${to}`)
        isProblem(t, answer, 422, 'validation-failed', `${path}: ${from} to ${to}`)
      }
    }
    isProblem(t, await api.call('GET', '/v1/sla/summary'), 422, 'validation-failed', 'no period')
  })
})

t.test('a key that acts as no person asks for nothing of its own', async t => {
  const robot = await addKey(api.db, api.ours.workspace_id, 'agent', { person: false })
  const headers = { authorization: `Bearer ${robot.key}` }
  const answer = await api.call('GET', '/v1/conversations?assignee_id=me', undefined, headers)
  isProblem(t, answer, 422, 'validation-failed', 'me')
})
