import t from 'tap'
import { addChannel, addConversation, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const conversation = await addConversation(api, api.ours, channel)
const reply = await api.call(
  'POST',
  `/v1/conversations/${conversation.id}/replies`,
  { body: 'Soon.' },
  { 'idempotency-key': 'the-first-reply' },
)
await api.call('PUT', `/v1/conversations/${conversation.id}/draft`, { body: 'Soon, I' })
let keys = 0

/** Every place where people or integrations write a text; `limit` in bytes of UTF-8, not `required` what may be empty. */
const PLACES: Record<string, { limit: number; required?: false; send: (text: string) => ReturnType<typeof api.call> }> =
  {
    note: {
      limit: 65_536,
      send: body => api.call('POST', `/v1/conversations/${conversation.id}/notes`, { body }),
    },
    reply: {
      limit: 65_536,
      send: body => {
        keys += 1
        const headers = { 'idempotency-key': `reply-of-text-${keys}` }
        return api.call('POST', `/v1/conversations/${conversation.id}/replies`, { body }, headers)
      },
    },
    draft: {
      limit: 65_536,
      required: false,
      send: body => api.call('PUT', `/v1/conversations/${conversation.id}/draft`, { body }, { 'if-match': '*' }),
    },
    'saved reply': {
      limit: 16_384,
      send: body => api.call('POST', '/v1/saved_replies', { name: 'Refund', body }),
    },
    'name of a saved reply': {
      limit: 200,
      send: name => api.call('POST', '/v1/saved_replies', { name, body: 'Hello' }),
    },
    shortcut: {
      limit: 64,
      send: shortcut => api.call('POST', '/v1/saved_replies', { name: 'Refund', body: 'Hello', shortcut }),
    },
    'contact name': { limit: 200, send: name => api.call('POST', '/v1/contacts', { name }) },
    'note about a contact': {
      limit: 16_384,
      send: body => api.call('POST', `/v1/contacts/${conversation.contact_id}/notes`, { body }),
    },
    'inbox name': { limit: 200, send: name => api.call('POST', '/v1/inboxes', { name }) },
    'user name': { limit: 200, send: name => api.call('POST', '/v1/users', { name, role: 'agent' }) },
    'key name': { limit: 200, send: name => api.call('POST', '/v1/api_keys', { name, role: 'agent' }) },
    'channel name': {
      limit: 200,
      send: name => api.call('POST', '/v1/channels', { kind: 'generic', name, inbox_id: api.ours.inbox_id }),
    },
    'calendar name': { limit: 200, send: name => api.call('POST', '/v1/calendars', { name, definition: DEFINITION }) },
    'holiday name': {
      limit: 200,
      send: name =>
        api.call('POST', '/v1/calendars', {
          name: `Calendar ${Math.random()}`,
          definition: { ...DEFINITION, holidays: [{ date: '12-25', name }] },
        }),
    },
    'reason of an integration': {
      limit: 1000,
      send: rejected_reason =>
        api.call('POST', `/v1/channels/${channel.id}/outbox/${reply.body.id}/ack`, { rejected_reason }),
    },
  }
const DEFINITION = { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] }
const places = Object.entries(PLACES)

t.test('NUL and lone surrogates are refused before Postgres sees them', async t => {
  await changesNothing(t, api, async () => {
    for (const [place, { send }] of places) {
      for (const text of ['a\u0000b', '\u0000', 'a\ud800b', '\udc00\ud800']) {
        const answer = await send(text)
        isProblem(t, answer, 422, 'validation-failed', `${place} ${JSON.stringify(text)}`)
        t.ok(answer.body.errors?.length > 0, `${place}: a schema refused it, not the database`)
      }
    }
    const ack = `/v1/channels/${channel.id}/outbox/${reply.body.id}/ack`
    for (const external_id of ['a\u0000b', 'a\ud800', '', 'a'.repeat(256), 'a'.repeat(10_000)]) {
      const answer = await api.call('POST', ack, { external_id })
      isProblem(t, answer, 422, 'validation-failed', `external_id of ${external_id.length}`)
      t.match(answer.body.errors, [{ pointer: '/external_id' }])
    }
  })
})

t.test('a text that nobody can see is no text', async t => {
  await changesNothing(t, api, async () => {
    const invisible = [
      '',
      ' ',
      '\t\n',
      '\u00a0',
      '\u200b',
      '\u2060\u2060',
      '\ufeff',
      '\u2800',
      '\u3164',
      '\u00ad',
      '\u{e0020}',
    ]
    for (const [place, { send }] of places.filter(([, { required }]) => required !== false)) {
      for (const text of invisible) {
        isProblem(t, await send(text), 422, 'validation-failed', `${place} ${JSON.stringify(text)}`)
      }
    }
  })
})

t.test('two spellings of one name are one name', async t => {
  const composed = 'Caf\u00e9'
  const decomposed = 'Cafe\u0301'
  const created = await api.call('POST', '/v1/inboxes', { name: decomposed })
  t.equal(created.body.name, composed)
  t.equal((await api.call('POST', '/v1/calendars', { name: composed, definition: DEFINITION })).status, 201)
  t.equal((await api.call('POST', '/v1/users', { name: 'Ana', role: 'agent', email: 'Ana@Example.com' })).status, 201)
  await changesNothing(t, api, async () => {
    for (const name of [composed, decomposed]) {
      isProblem(t, await api.call('POST', '/v1/inboxes', { name }), 409, 'conflict', name)
      const calendar = await api.call('POST', '/v1/calendars', { name, definition: DEFINITION })
      isProblem(t, calendar, 409, 'conflict', name)
    }
    for (const email of ['ana@example.com', 'ANA@EXAMPLE.COM']) {
      const answer = await api.call('POST', '/v1/users', { name: 'Ana', role: 'agent', email })
      isProblem(t, answer, 409, 'conflict', email)
    }
    for (const email of [
      '\u0131na@example.com',
      'ana@ex\uff41mple.com',
      'ana@example',
      '',
      'a@b@c.de',
      'ana@example.com\n',
    ]) {
      const answer = await api.call('POST', '/v1/users', { name: 'Ana', role: 'agent', email })
      isProblem(t, answer, 422, 'validation-failed', email)
    }
  })
})

t.test('a text is taken up to its limit in bytes and not beyond', async t => {
  for (const [place, { limit, send }] of places) {
    if (place === 'reason of an integration') continue // taking it would end the reply
    const fits = `${place[0]}${'é'.repeat(Math.floor((limit - 1) / 2))}`
    const { status, text } = await send(fits)
    t.ok([200, 201, 202].includes(status), `${place} at its limit: ${text.slice(0, 200)}`)
  }
  await changesNothing(t, api, async () => {
    for (const [place, { limit, send }] of places) {
      isProblem(t, await send('a'.repeat(limit + 1)), 422, 'validation-failed', `${place} beyond its limit`)
      isProblem(
        t,
        await send('é'.repeat(limit / 2 + 1)),
        422,
        'validation-failed',
        `${place} beyond its limit in bytes`,
      )
      isProblem(t, await send('a'.repeat(1024 * 1024)), 413, 'payload-too-large', `${place} of 1 MiB`)
    }
  })
})

t.test('control characters are data, and never reach the log', async t => {
  const text = 'bell \u0007 and red \u001b[31m and \u202e backwards'
  const line = api.log.length
  const note = await PLACES.note!.send(text)
  t.same([note.status, note.body.body], [201, text])
  const page = await api.call('GET', `/v1/conversations/${conversation.id}/messages`)
  t.ok(page.body.data.some((message: Json) => message.body === text))
  t.notMatch(api.log.slice(line).join(''), /bell|\\u0007|\[31m/)
})
