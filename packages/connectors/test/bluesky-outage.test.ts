import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connectedChannel, connectorContext } from '@parley/testing'
import { type Test, test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { createEgressFetch } from '../src/egress.ts'

type Handler = (nsid: string, response: ServerResponse, request: IncomingMessage) => void

/** An account's server, played by the test over real HTTP, and the channel that polls it. */
async function startServer(t: Test, handle: Handler) {
  const called: string[] = []
  const server = createServer((request, response) => {
    const nsid = new URL(request.url!, 'http://pds').pathname.slice('/xrpc/'.length)
    called.push(nsid)
    handle(nsid, response, request)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const service_url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const account = { did: 'did:plc:brand', handle: 'brand.example', identifier: 'brand.example' }
  const channel = connectedChannel({
    external_id: account.did,
    settings: { service_url },
    credentials: { identifier: account.identifier, app_password: 'secret' },
    session: { ...account, accessJwt: 'access', refreshJwt: 'refresh', pds_url: service_url, service_url },
  })
  const poll = (timeoutMs: number) => {
    const context = connectorContext({
      now: () => new Date('2026-11-22T12:00:00.000Z'),
      signal: AbortSignal.timeout(timeoutMs),
      fetch: createEgressFetch(['127.0.0.0/8']),
    })
    return blueskyConnector.poll!(channel, null, context)
  }
  return { called, poll }
}

const answer = (response: ServerResponse, status: number, body: string) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(body)
const refuse = (response: ServerResponse, status: number, error: string) =>
  answer(response, status, JSON.stringify({ error, message: 'no' }))

test('an answer that drips is cut when the time is up', async t => {
  let cut = false
  const { poll } = await startServer(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const drip = setInterval(() => response.write(' '), 20)
    response.on('close', () => {
      cut = true
      clearInterval(drip)
    })
  })
  const begun = performance.now()
  await t.rejects(poll(500), { name: 'XrpcFailure', status: null })
  t.ok(performance.now() - begun < 5_000)
  for (let waited = 0; !cut && waited < 100; waited += 1) await new Promise(resolve => setTimeout(resolve, 20))
  t.ok(cut, 'the connection is closed')
})

test('whatever is no page is a failure that is tried again', async t => {
  const bodies: [string, (response: ServerResponse) => void][] = [
    ['a page of a proxy', response => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['nothing', response => response.writeHead(204).end()],
    ['half of it', response => answer(response, 200, '{"notifications":[{"uri":"at')],
    ['another shape', response => answer(response, 200, '{"notifications":{}}')],
    ['a 500', response => answer(response, 500, '{"error":"InternalServerError"}')],
    ['a reset', response => void response.socket!.destroy()],
    [
      'a reset within the answer',
      response => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"notifications":[')
        setImmediate(() => response.socket!.destroy())
      },
    ],
  ]
  for (const [name, give] of bodies) {
    const { poll } = await startServer(t, (_, response) => give(response))
    await t.rejects(poll(5_000), { name: 'XrpcFailure', retry_at: null }, name)
  }
})

test('a revoked app password is known after three calls', async t => {
  const { called, poll } = await startServer(t, (nsid, response) => {
    if (nsid === 'com.atproto.server.createSession') return void refuse(response, 401, 'AuthenticationRequired')
    refuse(response, 400, 'ExpiredToken')
  })
  await t.rejects(poll(5_000), { name: 'ChannelAuthError' })
  t.same(called, [
    'app.bsky.notification.listNotifications',
    'com.atproto.server.refreshSession',
    'com.atproto.server.createSession',
  ])
})

test('an account that was closed is known after one call', async t => {
  for (const error of ['AccountDeactivated', 'AccountSuspended', 'AccountTakedown']) {
    const { called, poll } = await startServer(t, (_, response) => void refuse(response, 401, error))
    await t.rejects(poll(5_000), { name: 'ChannelAuthError' })
    t.equal(called.length, 1, error)
  }
})

test('tokens that are new and refused are not renewed again', async t => {
  const { called, poll } = await startServer(t, (nsid, response) => {
    if (nsid !== 'com.atproto.server.refreshSession') return void refuse(response, 401, 'AuthMissing')
    const renewed = { did: 'did:plc:brand', handle: 'brand.example', accessJwt: 'new', refreshJwt: 'new' }
    answer(response, 200, JSON.stringify(renewed))
  })
  await t.rejects(poll(5_000), { name: 'ChannelAuthError' })
  t.equal(called.length, 3)
})
