import { compileCalendar } from '@parley/domain'
import t from 'tap'
import { addChannel, addConversation, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const conversation = await addConversation(api, api.ours, channel)
const path = `/v1/conversations/${conversation.id}`

const withReplyUrl = (reply_url: unknown) =>
  api.call('POST', '/v1/channels', {
    kind: 'generic',
    name: 'Shop',
    inbox_id: api.ours.inbox_id,
    settings: { reply_url },
  })

const ADDRESSES = {
  'an address that is not public': [
    ...[
      'http://127.0.0.1',
      'http://localhost',
      'http://[::1]',
      'http://0.0.0.0',
      'http://10.0.0.1',
      'http://192.168.1.1',
    ],
    ...[
      'http://169.254.169.254',
      'https://127.0.0.1',
      'https://localhost/',
      'https://localhost./',
      'https://foo.localhost',
    ],
    ...['https://2130706433/', 'https://0x7f000001/', 'https://0177.0.0.1/', 'https://127.1/', 'https://①②⑦.0.0.1/'],
    ...[
      'https://[::ffff:127.0.0.1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://[fd00::1]/',
      'https://[fe80::1]/',
      'https://[::]/',
    ],
    ...[
      'https://172.16.0.1',
      'https://100.64.0.1',
      'https://224.0.0.1',
      'https://255.255.255.255',
      'https://[2002:7f00:1::]/',
    ],
    ...[
      'https://metadata.google.internal/',
      'https://printer.local/',
      'https://intranet/',
      'https://192.168.1.1:8443/',
    ],
  ],
  'a scheme other than https': [
    ...['file:///etc/passwd', 'gopher://example.com', 'ftp://example.com', 'javascript:alert(1)', 'data:text/plain,a'],
    ...[
      'ws://example.com',
      '//example.com',
      '/replies',
      'example.com',
      'http://example.com/',
      'https:',
      'https://',
      '',
    ],
  ],
  'credentials and other ways to have two readings': [
    ...['https://u:p@example.com', 'https://a@127.0.0.1@example.com', 'https://a@127.0.0.1\\@b.com'],
    ...['https://127.0.0.1#@example.com', 'https://127.0.0.1%2f@example.com', 'https://u@example.com'],
  ],
  'a port other than those for TLS': [22, 25, 80, 6379, 5432, 0, 65_535, 65_536].map(
    port => `https://example.com:${port}/`,
  ),
}

for (const [rule, addresses] of Object.entries(ADDRESSES)) {
  t.test(`${rule} is refused where replies are to be sent`, async t => {
    await changesNothing(t, api, async () => {
      for (const address of addresses) {
        const answer = await withReplyUrl(address)
        isProblem(t, answer, 422, 'validation-failed', address)
        t.match(answer.body.errors, [{ pointer: '/settings/reply_url' }], address)
      }
    })
  })
}

t.test('an ordinary https address is taken', async t => {
  for (const address of ['https://example.com/replies', 'https://example.com:8443/', 'https://93.184.215.14/a?b=c']) {
    t.equal((await withReplyUrl(address)).status, 201, address)
  }
})

t.test('settings and credentials are what the kind of channel asks for', async t => {
  const base = { kind: 'generic', name: 'Shop', inbox_id: api.ours.inbox_id }
  await changesNothing(t, api, async () => {
    for (const settings of [
      { base_url: 'https://example.com' },
      { reply_url: 1 },
      { reply_url: null },
      { reply_url: ['https://a.de'] },
    ]) {
      isProblem(
        t,
        await api.call('POST', '/v1/channels', { ...base, settings }),
        422,
        'validation-failed',
        JSON.stringify(settings),
      )
    }
    const weak = [
      { bearer_secret: 'short' },
      { bearer_secret: 'a\u0000'.repeat(20) },
      { signing_secrets: [] },
      { signing_secrets: ['whsec_'] },
    ]
    for (const credentials of [...weak, { signing_secrets: ['x'.repeat(40)] }, { password: 'x'.repeat(40) }]) {
      const answer = await api.call('POST', '/v1/channels', { ...base, credentials })
      isProblem(t, answer, 422, 'validation-failed', JSON.stringify(credentials))
    }
    const nul = await withReplyUrl('https://example.com/\u0000')
    isProblem(t, nul, 422, 'validation-failed', 'NUL in an address')
    for (const kind of ['facebook', '__proto__', 'constructor', 'Generic']) {
      isProblem(t, await api.call('POST', '/v1/channels', { ...base, kind }), 422, 'validation-failed', kind)
    }
  })
})

t.test('a time zone is one that the world uses', async t => {
  const save = (time_zone: string) => {
    const definition = { time_zone, weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] }
    return api.call('POST', '/v1/calendars', { name: `Office ${Math.random()}`, definition })
  }
  await changesNothing(t, api, async () => {
    const zones = [
      'Mars/Phobos',
      'FOO+99',
      '+05:00',
      '',
      'UTC+1',
      '../../etc/localtime',
      ' UTC',
      'Europe/Berlin\u0000',
      'a'.repeat(65),
    ]
    for (const zone of zones) isProblem(t, await save(zone), 422, 'validation-failed', zone)
  })
  for (const zone of ['utc', 'UTC', 'europe/berlin', 'Asia/Calcutta', 'Asia/Kolkata']) {
    const { status, body } = await save(zone)
    t.equal(status, 201, zone)
    const { time_zone } = compileCalendar(body.definition)
    t.match(time_zone, /^(UTC|Europe\/Berlin|Asia\/(Calcutta|Kolkata))$/, 'whatever its spelling, it means the same')
  }
})

t.test('hours and holidays that cannot be are refused', async t => {
  const save = (definition: Record<string, unknown>) =>
    api.call('POST', '/v1/calendars', {
      name: `Office ${Math.random()}`,
      definition: { time_zone: 'UTC', ...definition },
    })
  const open = { weekday: 1, opens: '09:00', closes: '17:00' }
  await changesNothing(t, api, async () => {
    const definitions = [
      ...[0, 8, 1.5, -1, '1'].map(weekday => ({ weekly: [{ ...open, weekday }] })),
      ...['9:00', '25:00', '24:00', '09:60', '', '0900', '09:00:00'].map(opens => ({ weekly: [{ ...open, opens }] })),
      ...['02-30', '2026-02-29', '13-01', '00-10', '2026-1-1', 'now'].map(date => ({
        weekly: [open],
        holidays: [{ date }],
      })),
      { weekly: [open], holidays: [{ date: '12-25', closed_from: '10:00' }] },
      { weekly: [] },
      { weekly: Array.from({ length: 101 }, () => open) },
    ]
    for (const definition of definitions) {
      isProblem(t, await save(definition), 422, 'validation-failed', JSON.stringify(definition).slice(0, 80))
    }
  })
})

t.test('a reply needs one Idempotency-Key that is one', async t => {
  const reply = (headers: Record<string, string>) => api.call('POST', `${path}/replies`, { body: 'Hello' }, headers)
  await changesNothing(t, api, async () => {
    isProblem(t, await reply({}), 400, 'idempotency-key-required', 'none')
    const keys = [
      '',
      'short',
      'a'.repeat(256),
      'schl\u00fcssel-1',
      'with a space',
      'a,b-c-d-e-f',
      '"',
      '""',
      `"${'a'.repeat(256)}"`,
    ]
    for (const key of keys) {
      isProblem(t, await reply({ 'idempotency-key': key }), 422, 'validation-failed', key.slice(0, 20))
      const note = await api.call('POST', `${path}/notes`, { body: 'Hello' }, { 'idempotency-key': key })
      isProblem(t, note, 422, 'validation-failed', `${key.slice(0, 20)} where a key may be`)
    }
    const two = await api.inject({
      method: 'POST',
      url: `${path}/replies`,
      headers: { authorization: `Bearer ${api.ours.key}`, 'idempotency-key': ['first-key-1', 'second-key-2'] },
      payload: { body: 'Hello' },
    })
    isProblem(t, two, 422, 'validation-failed', 'two headers')
  })
  t.equal((await reply({ 'idempotency-key': 'a'.repeat(255) })).status, 202)
})

t.test('a key used for another request says so, and not what it was used for', async t => {
  const headers = { 'idempotency-key': 'used-already' }
  const first = await api.call('POST', `${path}/notes`, { body: 'the first text' }, headers)
  t.equal(first.status, 201)
  const other = await addConversation(api, api.ours, channel)
  await changesNothing(t, api, async () => {
    for (const [url, body] of [
      [`${path}/notes`, { body: 'another text' }],
      [`/v1/conversations/${other.id}/notes`, { body: 'the first text' }],
    ] as const) {
      const answer = await api.call('POST', url, body, headers)
      isProblem(t, answer, 422, 'idempotency-key-reused', url)
      t.notMatch(answer.text, /the first text/)
      t.notOk(answer.text.includes(first.body.id))
    }
  })
})

t.test('If-Match is one strong ETag', async t => {
  const patch = (headers: Record<string, string>) => api.call('PATCH', path, { status: 'resolved' }, headers)
  const { headers } = await api.call('GET', path)
  t.equal(headers.etag, '"1"')
  await changesNothing(t, api, async () => {
    isProblem(t, await patch({}), 428, 'precondition-required', 'none')
    for (const etag of [
      '*',
      'W/"1"',
      '"1", "2"',
      '1',
      '""',
      '"2"',
      '"-1"',
      '"1e0"',
      '" 1"',
      'nonsense',
      `"${'9'.repeat(30)}"`,
      '',
    ]) {
      isProblem(t, await patch({ 'if-match': etag }), 412, 'version-mismatch', etag)
    }
  })
  t.equal((await patch({ 'if-match': '"1"' })).status, 200)
})
