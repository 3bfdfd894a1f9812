import { newId } from '@parley/db'
import { comment } from '@parley/testing'
import t from 'tap'
import { addChannel, BEARER_SECRET, SIGNING_SECRET, signed, testApi } from './helper.ts'
import { changesNothing, isProblem, withoutInstance } from './refusals.ts'

const api = await testApi(t)
const { clock, db, ours } = api
const channel = await addChannel(api)
const body = JSON.stringify(comment({ external_id: 'r-1' }))

const post = (path: string, payload: string, headers: Record<string, string>) =>
  api.inject({ method: 'POST', url: path, payload, headers: { 'content-type': 'application/json', ...headers } })
const hook = `/hooks/${channel.id}`
const ledger = async () => (await api.query('select count(*)::int as count from inbound_events'))[0].count

t.test('a signed event and one with the bearer secret are stored, and a repeat is no second one', async t => {
  const headers = signed(body, clock.now)
  const first = await post(hook, body, headers)
  t.same([first.status, first.body], [202, { accepted: 1, duplicates: 0, rejected: [] }], first.text)
  const again = await post(hook, body, headers)
  t.same([again.status, again.body.duplicates], [202, 1])
  const other = JSON.stringify(comment())
  t.equal((await post(hook, other, { authorization: `Bearer ${BEARER_SECRET}` })).body.accepted, 1)
  t.equal(await ledger(), 2)
})

t.test('nothing is believed, and nothing is read, without a right signature', async t => {
  const good = signed(body, clock.now)
  const base64 = good['webhook-signature']!.slice(3)
  const bytes = Buffer.from(base64, 'base64')
  const signatures = {
    none: '',
    'without its version': base64,
    truncated: `v1,${base64.slice(0, -4)}`,
    'of another secret': signed(body, clock.now, `whsec_${Buffer.alloc(32, 9).toString('base64')}`)[
      'webhook-signature'
    ]!,
    'another version': `v2,${base64}`,
    'an asymmetric version': `v1a,${base64}`,
    hexadecimal: `v1,${bytes.toString('hex')}`,
    'upper-case hexadecimal': `v1,${bytes.toString('hex').toUpperCase()}`,
    base64url: `v1,${bytes.toString('base64url')}`,
    'with a space inside': `v1, ${base64}`,
    'empty of bytes': 'v1,',
    'after ten others': `${'v1,x '.repeat(10)}v1,${base64}`,
    'of the GitHub kind': `sha256=${bytes.toString('hex')}`,
  }
  await changesNothing(t, api, async () => {
    const seen = new Set<string>()
    for (const [what, signature] of Object.entries(signatures)) {
      for (const payload of [body, '{', '']) {
        const answer = await post(hook, payload, { ...good, 'webhook-signature': signature })
        isProblem(t, answer, 401, 'invalid-signature', `${what} over ${payload.slice(0, 5)}`)
        seen.add(withoutInstance(answer))
      }
    }
    for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
      const { [name]: _, ...headers } = good
      isProblem(t, await post(hook, body, headers), 401, 'invalid-signature', `no ${name}`)
    }
    const other = body.replace('order', 'ordre')
    isProblem(t, await post(hook, other, good), 401, 'invalid-signature', 'a changed body')
    isProblem(t, await post(hook, `${body} `, good), 401, 'invalid-signature', 'a changed body')
    const shifted = { ...good, 'webhook-id': `${good['webhook-id']}.1` }
    isProblem(t, await post(hook, body, shifted), 401, 'invalid-signature', 'a changed id')
    const bearers = ['', 'Bearer', `Bearer ${BEARER_SECRET}x`, `Bearer ${BEARER_SECRET.slice(0, -1)}`, BEARER_SECRET]
    for (const authorization of [
      ...bearers,
      `Bearer ${ours.key}`,
      `Bearer ${SIGNING_SECRET}`,
      `Basic ${BEARER_SECRET}`,
    ]) {
      isProblem(t, await post(hook, body, { authorization }), 401, 'invalid-signature', authorization.slice(0, 12))
    }
    t.equal(seen.size, 1, 'nobody learns what was wrong')
  })
})

t.test('a signature of another time is as good as none', async t => {
  const good = signed(body, clock.now)
  const seconds = Number(good['webhook-timestamp'])
  await changesNothing(t, api, async () => {
    for (const offset of [-6 * 60, 6 * 60]) {
      const headers = signed(body, new Date(clock.now.getTime() + offset * 1000))
      isProblem(t, await post(hook, body, headers), 401, 'invalid-signature', `${offset} s`)
    }
    const times = [
      '',
      'now',
      clock.now.toISOString(),
      String(seconds * 1000),
      `${seconds}.5`,
      `-${seconds}`,
      '0x1',
      'NaN',
      ' ',
    ]
    for (const time of times) {
      const headers = { ...good, 'webhook-timestamp': time }
      isProblem(t, await post(hook, body, headers), 401, 'invalid-signature', `time ${time}`)
    }
  })
  for (const offset of [-290, 290]) {
    const fresh = JSON.stringify(comment())
    const answer = await post(hook, fresh, signed(fresh, new Date(clock.now.getTime() + offset * 1000)))
    t.equal(answer.status, 202, `${offset} s is within the five minutes`)
  }
})

t.test('a channel that is nowhere is not found, and a deleted one is gone', async t => {
  const gone = await addChannel(api)
  await db.inWorkspace(ours.workspace_id, trx =>
    trx.updateTable('channels').set({ status: 'deleted' }).where('id', '=', gone.id).execute(),
  )
  await changesNothing(t, api, async () => {
    const headers = signed(body, clock.now)
    const missing = await post(`/hooks/${newId(clock.now)}`, body, headers)
    isProblem(t, missing, 404, 'not-found', 'an unknown id')
    for (const id of ['x', '%00', channel.id.toUpperCase(), ours.inbox_id]) {
      isProblem(t, await post(`/hooks/${id}`, body, headers), 404, 'not-found', id)
    }
    t.equal(withoutInstance(await post(`/hooks/${newId(clock.now)}`, '{', {})), withoutInstance(missing))
    isProblem(t, await post(`/hooks/${gone.id}`, body, headers), 410, 'channel-gone', 'a deleted channel')
  })
})

t.test('a webhook takes JSON by POST and nothing else', async t => {
  await changesNothing(t, api, async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD'] as const) {
      const answer = await api.inject({ method, url: hook, headers: signed('', clock.now) })
      t.equal(answer.status, 404, method)
      if (method !== 'HEAD') isProblem(t, answer, 404, 'not-found', method)
    }
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/cloudevents+json',
      'nonsense',
    ]) {
      const answer = await post(hook, body, { ...signed(body, clock.now), 'content-type': type })
      isProblem(t, answer, 415, 'unsupported-media-type', type)
    }
    const packed = { ...signed(body, clock.now), 'content-encoding': 'gzip' }
    isProblem(t, await post(hook, body, packed), 415, 'unsupported-media-type', 'gzip')
  })
})

t.test('what a believed sender gets wrong is said, and nothing of it is stored', async t => {
  const send = (payload: string) => post(hook, payload, signed(payload, clock.now))
  await changesNothing(t, api, async () => {
    for (const payload of [
      '{',
      'null',
      '1',
      '[]',
      '""',
      '{}',
      '{"type":1}',
      '{"events":[]}',
      `${'['.repeat(40)}${']'.repeat(40)}`,
    ]) {
      isProblem(t, await send(payload), 400, /^(invalid-request|malformed-json)$/, payload)
    }
    const many = JSON.stringify({ events: Array.from({ length: 501 }, () => comment()) })
    isProblem(t, await send(many), 400, 'invalid-request', '501 events')
    isProblem(t, await send(`"${'a'.repeat(5 * 1024 * 1024)}"`), 413, 'payload-too-large', '5 MiB and a little')
  })
  const before = await ledger()
  const mixed = JSON.stringify({ events: [comment(), { type: 'message.received', data: {} }, comment()] })
  const answer = await send(mixed)
  t.same([answer.status, answer.body.accepted, answer.body.rejected.length], [202, 2, 1])
  t.equal(answer.body.rejected[0].index, 1)
  t.equal(await ledger(), before + 2)
})

t.test('an inbound text or id that Postgres would choke on is kept', async t => {
  const event = comment({ external_id: 'i'.repeat(1000), text: 'a\u0000b\ud800', toJSON: 1, length: -1 })
  const payload = JSON.stringify({ id: 'e'.repeat(1000), ...event })
  const answer = await post(hook, payload, signed(payload, clock.now))
  t.same([answer.status, answer.body.accepted], [202, 1], answer.text)
  const again = await post(hook, payload, signed(payload, clock.now))
  t.equal(again.body.duplicates, 1, 'a long id is hashed, the same each time')
})
