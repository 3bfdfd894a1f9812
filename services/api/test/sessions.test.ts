import { newId } from '@parley/db'
import { TOTP } from 'otpauth'
import t, { type Test } from 'tap'
import { atOnce, testApi } from './helper.ts'
import { dump, isProblem, withoutInstance } from './refusals.ts'
import { addPerson, as, PASSWORD, signIn } from './sign-in.ts'

const COOKIE = '__Host-parley_session'

t.test('a password opens a session, which acts as its person until they sign out', async t => {
  const api = await testApi(t)
  const { id, email } = await addPerson(api, { role: 'lead' })
  const answer = await signIn(api, { email: email.toUpperCase(), password: PASSWORD }, { 'user-agent': 'Lynx' })
  t.equal(answer.status, 201)
  t.match(answer.body, { token: /^parley_session_/, user: { id, role: 'lead' }, workspace: { name: 'My workspace' } })
  const call = as(api, answer.body.token)
  t.match((await call('GET', '/v1/me')).body, { role: 'lead', session_id: answer.body.session.id, api_key_id: null })
  t.match((await call('GET', '/v1/sessions')).body.data, [{ user_agent: 'Lynx', current: true }])
  const kept = [await dump(api), api.log.join('')].join('\n')
  t.notOk(kept.includes(answer.body.token.slice(20)) || kept.includes(PASSWORD), 'neither is kept or logged')
  t.equal((await call('DELETE', '/v1/sessions/current')).status, 200)
  isProblem(t, await call('GET', '/v1/me'), 401, 'unauthenticated', 'signed out')
  const events = await api.query(`select type from events where type like 'session%' order by seq`)
  t.same(
    events.map(({ type }) => type),
    ['session.created', 'session.revoked'],
  )
})

t.test('whoever it is, a sign-in that fails says the same', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const gone = await addPerson(api)
  await api.query(`update users set status = 'disabled' where id = '${gone.id}'`)
  await api.query(`insert into users (workspace_id, id, name, email, role, created_at)
    values ('${api.ours.workspace_id}', '${newId(api.clock.now)}', 'No password', 'robot@example.com', 'agent', now())`)
  const bodies = [
    { email, password: 'not her password' },
    { email, password: PASSWORD, workspace: 'Somewhere' },
    { email: gone.email, password: PASSWORD },
    { email: 'nobody@example.com', password: PASSWORD },
    { email: 'robot@example.com', password: PASSWORD },
  ]
  const seen = new Set<string>()
  for (const body of bodies) {
    const answer = await signIn(api, body)
    isProblem(t, answer, 401, 'unauthenticated', JSON.stringify(body))
    const { date: _, 'content-length': __, ...headers } = answer.headers
    seen.add(JSON.stringify(headers) + withoutInstance(answer))
  }
  t.equal(seen.size, 1)
  const failed = await api.query(`select data from events where type = 'login.failed'`)
  t.equal(failed.length, 3, 'and is in the log of whom it was about')
})

t.test('an address that is known in two workspaces opens the one that is named', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  await addPerson(api, { workspace_id: api.theirs.workspace_id, email })
  isProblem(t, await signIn(api, { email, password: PASSWORD }), 401, 'unauthenticated', 'neither is guessed')
  const named = await signIn(api, { email, password: PASSWORD, workspace: 'somebody ELSE' })
  t.equal(named.body.workspace.id, api.theirs.workspace_id)
  const byId = await signIn(api, { email, password: PASSWORD, workspace: api.ours.workspace_id })
  t.equal(byId.body.workspace.id, api.ours.workspace_id)
})

t.test('a session ends when it is idle, when it is old, and with everything that ends its person', async t => {
  const api = await testApi(t)
  const start = api.clock.now
  const day = 24 * 3600 * 1000
  const open = async () => {
    const person = await addPerson(api)
    const { token } = (await signIn(api, { email: person.email, password: PASSWORD })).body
    const status = async () => (await as(api, token)('GET', '/v1/me')).status
    t.equal(await status(), 200)
    return { ...person, token, status }
  }
  const idle = await open()
  const busy = await open()
  for (let days = 1; days <= 30; days += 1) {
    api.clock.now = new Date(start.getTime() + days * day)
    if (days < 30) t.equal(await busy.status(), 200, `day ${days}`)
    await api.app.credentialUses.flush()
    if (days === 6) t.equal((await api.query(`select 1 from sessions where user_id = '${idle.id}'`)).length, 1)
    if (days === 7) t.equal(await idle.status(), 401, 'idle for a week')
  }
  t.equal(await busy.status(), 401, 'a month old')
  api.clock.now = start
  const changed = await open()
  const role = async () => (await as(api, changed.token)('GET', '/v1/me')).body.role
  await api.query(`update users set role = 'admin' where id = '${changed.id}'`)
  t.equal(await role(), 'admin', 'a role counts at once')
  t.equal((await api.call('DELETE', `/v1/users/${changed.id}/sessions`)).status, 200)
  t.equal(await changed.status(), 401, 'ended by an administrator')
  const disabled = await open()
  await api.query(`update users set status = 'disabled' where id = '${disabled.id}'`)
  t.equal(await disabled.status(), 401)
})

t.test('one session can be ended from another one, and nobody else’s can', async t => {
  const api = await testApi(t)
  const [ana, ben] = [await addPerson(api), await addPerson(api)]
  const token = async (person: { email: string }) =>
    (await signIn(api, { email: person.email, password: PASSWORD })).body
  const [phone, laptop, other] = [await token(ana), await token(ana), await token(ben)]
  isProblem(
    t,
    await as(api, other.token)('DELETE', `/v1/sessions/${phone.session.id}`),
    404,
    'not-found',
    'another person’s',
  )
  t.equal((await as(api, laptop.token)('DELETE', `/v1/sessions/${phone.session.id}`)).status, 200)
  t.equal((await as(api, phone.token)('GET', '/v1/me')).status, 401)
  t.equal((await as(api, laptop.token)('GET', '/v1/sessions')).body.data.length, 1)
  isProblem(t, await api.call('DELETE', '/v1/sessions/current'), 404, 'not-found', 'a key is no session')
})

t.test('changing the password needs the present one and ends all other sessions', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const open = async () => (await signIn(api, { email, password: PASSWORD })).body.token
  const [here, there] = [await open(), await open()]
  const change = (body: object) => as(api, here)('PUT', '/v1/me/password', body)
  const wrong = await change({ password: 'not her password', new_password: 'a new password' })
  isProblem(t, wrong, 422, 'validation-failed', 'a wrong one')
  t.equal((await change({ password: PASSWORD, new_password: 'a new password' })).status, 200)
  t.equal((await as(api, here)('GET', '/v1/me')).status, 200)
  t.equal((await as(api, there)('GET', '/v1/me')).status, 401)
  t.equal((await signIn(api, { email, password: PASSWORD })).status, 401)
  t.equal((await signIn(api, { email, password: 'a new password' })).status, 201)
})

t.test('a password is taken whole, in any spelling of its letters, or refused', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const { token } = (await signIn(api, { email, password: PASSWORD })).body
  let present = PASSWORD
  const change = async (new_password: string) => {
    const answer = await as(api, token)('PUT', '/v1/me/password', { password: present, new_password })
    if (answer.status === 200) present = new_password
    return answer
  }
  const refused = [
    'short',
    'eleven char',
    'x'.repeat(257),
    'nul \u0000 in the middle',
    'half \ud800 of a pair',
    'x'.repeat(5_000),
  ]
  for (const password of refused) isProblem(t, await change(password), 422, 'validation-failed', password.slice(0, 20))
  const huge = await signIn(api, { email, password: 'x'.repeat(500_000) })
  isProblem(t, huge, 422, 'validation-failed', 'half a megabyte')
  const long = 'x'.repeat(255)
  t.equal((await change(`${long}1`)).status, 200)
  t.equal((await signIn(api, { email, password: `${long}2` })).status, 401, 'nothing is cut off')
  t.equal((await change('Ünïcödé ﬁve 日本')).status, 200)
  t.equal((await signIn(api, { email, password: 'Ünïcödé five 日本'.normalize('NFD') })).status, 201)
})

t.test('guesses at one account cost more and more time, and nobody is kept out for ever', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const wrong = () => signIn(api, { email, password: 'not her password' })
  for (let guess = 1; guess <= 5; guess += 1) t.equal((await wrong()).status, 401, `guess ${guess}`)
  const blocked = await signIn(api, { email, password: PASSWORD })
  isProblem(t, blocked, 429, 'too-many-attempts', 'the right one too')
  t.equal(blocked.headers['retry-after'], '1')
  const wait = (seconds: number) => {
    api.clock.now = new Date(api.clock.now.getTime() + seconds * 1000)
  }
  for (let round = 0; round < 15; round += 1) {
    wait(900)
    t.equal((await wrong()).status, 401)
    const { headers } = await wrong()
    t.ok(Number(headers['retry-after']) <= 900, `${headers['retry-after']} s`)
  }
  wait(900)
  t.equal((await signIn(api, { email, password: PASSWORD })).status, 201, 'a quarter of an hour later')
  t.equal((await wrong()).status, 401, 'and then all is forgiven')
})

t.test('many guesses at once are let through like guesses one after the other', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const answers = await atOnce(20, () => signIn(api, { email, password: 'not her password' }))
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter(status => status === 401).length, 5)
  t.equal(statuses.filter(status => status === 429).length, 15)
})

t.test('guesses from one address are counted whoever they are at, and of IPv6 by its network', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const from = (peer: string, address = `nobody${Math.random()}@example.com`, headers = {}) =>
    signIn(api, { email: address, password: PASSWORD }, headers, peer)
  for (let guess = 1; guess <= 30; guess += 1) t.equal((await from(`2001:db8::${guess}`)).status, 401)
  isProblem(t, await from('2001:db8::ffff', email), 429, 'too-many-attempts', 'the same network')
  t.equal((await from('2001:db8:0:1::1', email)).status, 201, 'another one')
  for (let guess = 1; guess <= 30; guess += 1) {
    await from('203.0.113.1', undefined, { 'x-forwarded-for': `192.0.2.${guess}` })
  }
  isProblem(
    t,
    await from('203.0.113.1', email),
    429,
    'too-many-attempts',
    'what a stranger says of itself counts nothing',
  )
  const proxied = { 'x-forwarded-for': '192.0.2.99' }
  t.equal((await from('10.0.0.1', email, proxied)).status, 201, 'a proxy that is named is believed')
})

t.test('the table of failures keeps what is a day old at most', async t => {
  const api = await testApi(t)
  for (let guess = 0; guess < 5; guess += 1)
    await signIn(api, { email: `nobody${guess}@example.com`, password: PASSWORD })
  const rows = () => api.query('select key from login_attempts')
  t.equal((await rows()).length, 10)
  api.clock.now = new Date(api.clock.now.getTime() + 25 * 3600 * 1000)
  await signIn(api, { email: 'nobody@example.com', password: PASSWORD })
  t.equal((await rows()).length, 2)
})

/** Signs in with a second factor that was just enrolled. */
async function enrolled(t: Test) {
  const api = await testApi(t)
  const { email, id } = await addPerson(api)
  const { token } = (await signIn(api, { email, password: PASSWORD })).body
  const call = as(api, token)
  const begun = (await call('POST', '/v1/me/totp', { password: PASSWORD })).body
  const totp = new TOTP({ secret: begun.secret })
  const code = (steps = 0) => totp.generate({ timestamp: api.clock.now.getTime() + steps * 30_000 })
  const confirmed = await call('POST', '/v1/me/totp/confirm', { code: code() })
  t.equal(confirmed.status, 200, confirmed.text)
  const later = (seconds: number) => {
    api.clock.now = new Date(api.clock.now.getTime() + seconds * 1000)
  }
  const codes: string[] = confirmed.body.recovery_codes
  return {
    api,
    id,
    email,
    call,
    code,
    codes,
    later,
    begun,
    give: (more: object) => signIn(api, { email, password: PASSWORD, ...more }),
  }
}

t.test('with a second factor the password alone opens nothing, and no code opens twice', async t => {
  const { give, code, later, begun, call } = await enrolled(t)
  t.match(begun.otpauth_url, /^otpauth:\/\/totp\/Parley.*secret=/)
  t.match((await call('GET', '/v1/me/totp')).body, { recovery_codes_left: 10 })
  isProblem(t, await give({}), 401, 'second-factor-required', 'without a code')
  isProblem(t, await give({ totp_code: code() }), 401, 'unauthenticated', 'the code it was confirmed with')
  later(30)
  isProblem(
    t,
    await give({ totp_code: '000000' === code() ? '000001' : '000000' }),
    401,
    'unauthenticated',
    'a wrong one',
  )
  const [first, second] = await Promise.all([give({ totp_code: code() }), give({ totp_code: code() })])
  t.same([first.status, second.status].sort(), [201, 401], 'of two at once one is let in')
  later(90)
  t.equal((await give({ totp_code: code(-1) })).status, 201, 'one step late')
  isProblem(t, await give({ totp_code: code(-2) }), 401, 'unauthenticated', 'two steps late')
  t.equal((await give({ totp_code: code(1) })).status, 201, 'one step early')
})

t.test('asking for the code again and again gives no more guesses at it', async t => {
  const { give, code } = await enrolled(t)
  const wrong = code() === '000000' ? '000001' : '000000'
  let guesses = 0
  for (let round = 0; round < 12; round += 1) {
    await give({})
    if ((await give({ totp_code: wrong })).status === 401) guesses += 1
  }
  t.ok(guesses <= 5, `${guesses} guesses`)
})

t.test('a recovery code opens once, however it is typed', async t => {
  const { give, codes, call } = await enrolled(t)
  t.equal(new Set(codes).size, 10)
  t.equal((await give({ recovery_code: codes[0]!.toUpperCase().replaceAll('-', ' ') })).status, 201)
  isProblem(t, await give({ recovery_code: codes[0] }), 401, 'unauthenticated', 'again')
  t.match((await call('GET', '/v1/me/totp')).body, { recovery_codes_left: 9 })
})

t.test('the second factor goes with the password, or when an administrator takes it off', async t => {
  const { api, id, give, call, later } = await enrolled(t)
  isProblem(
    t,
    await call('POST', '/v1/me/totp/remove', { password: 'not her password' }),
    422,
    'validation-failed',
    'a wrong password',
  )
  t.equal((await call('POST', '/v1/me/totp/remove', { password: PASSWORD })).status, 200)
  t.equal((await give({})).status, 201)
  const again = (await call('POST', '/v1/me/totp', { password: PASSWORD })).body
  t.equal((await give({})).status, 201, 'begun is not in use')
  isProblem(t, await call('POST', '/v1/me/totp/confirm', { code: '000000' }), 422, 'validation-failed', 'a wrong code')
  const totp = new TOTP({ secret: again.secret })
  await call('POST', '/v1/me/totp/confirm', { code: totp.generate({ timestamp: api.clock.now.getTime() }) })
  isProblem(t, await give({}), 401, 'second-factor-required', 'in use')
  t.equal((await api.call('DELETE', `/v1/users/${id}/totp`)).status, 200)
  later(1)
  t.equal((await give({})).status, 201)
})

t.test('a cookie holds the session of a browser, and only calls of our own pages count with it', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api, { role: 'admin' })
  const own = { host: 'inbox.example.com', origin: 'https://inbox.example.com' }
  const answer = await signIn(api, { email, password: PASSWORD, cookie: true }, own)
  t.equal(answer.body.token, null)
  const set = String(answer.headers['set-cookie'])
  t.match(
    set,
    /^__Host-parley_session=parley_session_[\w-]{43}; Max-Age=2592000; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
  )
  const cookie = set.split(';')[0]!
  let teams = 0
  const send = (method: string, headers: Record<string, string>) => {
    teams += 1
    return api.inject({
      method: method as 'GET',
      url: method === 'GET' ? '/v1/me' : '/v1/teams',
      headers: {
        host: 'inbox.example.com',
        cookie,
        ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(method === 'GET' ? {} : { payload: JSON.stringify({ name: `Team ${teams}` }) }),
    })
  }
  const good: [string, Record<string, string>][] = [
    ['GET', {}],
    ['GET', { 'sec-fetch-site': 'same-origin' }],
    ['GET', { 'sec-fetch-site': 'none' }],
    ['POST', { 'sec-fetch-site': 'same-origin' }],
    ['POST', { 'sec-fetch-site': 'same-origin', origin: 'https://inbox.example.com' }],
    ['POST', { origin: 'https://inbox.example.com' }],
  ]
  for (const [method, headers] of good) {
    t.ok([200, 201].includes((await send(method, headers)).status), `${method} ${JSON.stringify(headers)}`)
  }
  const bad: [string, Record<string, string>][] = [
    ['POST', {}],
    ['POST', { origin: 'null' }],
    ['POST', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['POST', { origin: 'https://evil.example' }],
    ['POST', { origin: 'https://inbox.example.com.evil.example' }],
    ['POST', { origin: 'https://inbox.example.com:8443' }],
    ['POST', { 'sec-fetch-site': 'cross-site' }],
    ['POST', { 'sec-fetch-site': 'same-site', origin: 'https://inbox.example.com' }],
    ['POST', { 'sec-fetch-site': 'none' }],
    ['POST', { 'content-type': 'text/plain', origin: 'https://evil.example' }],
    ['GET', { origin: 'https://evil.example' }],
    ['GET', { 'sec-fetch-site': 'cross-site' }],
  ]
  for (const [method, headers] of bad) {
    isProblem(t, await send(method, headers), 403, 'forbidden', `${method} ${JSON.stringify(headers)}`)
  }
  const token = cookie.slice(COOKIE.length + 1)
  const strange = [
    `parley_session=${token}`,
    `__Secure-parley_session=${token}`,
    `${cookie}; ${cookie}`,
    `${COOKIE}=x; ${cookie}`,
    `${COOKIE}="${token}"`,
    `${COOKIE}=${api.ours.key}`,
    `${COOKIE}=${'x'.repeat(8_000)}`,
  ]
  for (const value of strange) {
    isProblem(t, await send('GET', { cookie: value }), 401, 'unauthenticated', value.slice(0, 40))
  }
  const foreign = await signIn(
    api,
    { email, password: PASSWORD, cookie: true },
    { origin: 'https://evil.example', host: 'inbox.example.com' },
  )
  isProblem(t, foreign, 403, 'forbidden', 'nobody is signed in by another page')
  const bearer = await send('POST', { authorization: `Bearer ${token}`, origin: 'https://evil.example' })
  t.equal(bearer.status, 201, 'a header is not sent by itself, so where it comes from does not matter')
})

t.test('signing in anew ends the session that the browser had, and signing out takes the cookie away', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const own = { host: 'inbox.example.com', origin: 'https://inbox.example.com' }
  const open = async (headers = {}) => {
    const answer = await signIn(api, { email, password: PASSWORD, cookie: true }, { ...own, ...headers })
    return String(answer.headers['set-cookie']).split(';')[0]!
  }
  const me = (cookie: string) => api.inject({ method: 'GET', url: '/v1/me', headers: { ...own, cookie } })
  const former = await open()
  const present = await open({ cookie: former })
  t.not(present, former)
  t.equal((await me(former)).status, 401)
  t.equal((await me(present)).status, 200)
  const out = await api.inject({
    method: 'DELETE',
    url: '/v1/sessions/current',
    headers: { ...own, cookie: present },
  })
  t.match(String(out.headers['set-cookie']), /^__Host-parley_session=; Max-Age=0; Path=\/; Secure/)
  t.equal((await me(present)).status, 401)
})

t.test('nobody learns from the time it takes whether there is such a person', async t => {
  const api = await testApi(t)
  const { email } = await addPerson(api)
  const times: Record<string, number[]> = { known: [], unknown: [] }
  const measure = async (what: string, address: string) => {
    await api.query('delete from login_attempts')
    const start = performance.now()
    await signIn(api, { email: address, password: 'not her password' })
    times[what]!.push(performance.now() - start)
  }
  // Taken in turns: whatever else the machine does, it does to both.
  for (let round = 0; round < 30; round += 1) {
    const order: [string, string][] = [
      ['known', email],
      ['unknown', 'nobody@example.com'],
    ]
    for (const [what, address] of round % 2 ? order : order.toReversed()) await measure(what, address)
  }
  const middle = (list: number[]) => list.toSorted((a, b) => a - b)[list.length >> 1]!
  const [known, unknown] = [middle(times.known!), middle(times.unknown!)]
  t.comment(`medians of 30: known ${known.toFixed(1)} ms, unknown ${unknown.toFixed(1)} ms`)
  // Without the hash of nobody the difference is nearly all of it.
  t.ok(Math.abs(known - unknown) < 0.5 * known, `known ${known} ms, unknown ${unknown} ms`)
})
