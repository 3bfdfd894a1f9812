import { createServer, type Server } from 'node:http'
import { type Test, test } from 'tap'
import { createEgressFetch, createEgressResolver, EgressBlocked, type Resolver, refuseTarget } from '../src/egress.ts'

const fetchPublic = createEgressFetch([])
const resolving =
  (...addresses: string[]): Resolver =>
  (_name, _options, callback) =>
    callback(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )

/** A server on loopback that counts connections, not requests: nothing may even knock. */
async function startServer(
  t: Test,
  answer: Parameters<typeof createServer>[1] = (_, response) => response.end('here'),
) {
  const server: Server = createServer(answer)
  const seen = { connections: 0, hosts: [] as string[] }
  server.on('connection', () => {
    seen.connections += 1
  })
  server.on('request', request => seen.hosts.push(request.headers.host ?? ''))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { port, url: `http://127.0.0.1:${port}/`, seen }
}

const V4 = [
  ...['0.0.0.0', '0.255.255.255', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255', '127.0.0.1'],
  ...['127.255.255.255', '169.254.169.254', '169.254.0.1', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1'],
  ...['192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1'],
  ...['239.255.255.255', '240.0.0.1', '255.255.255.255'],
]
const V6 = [
  ...['::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:169.254.169.254', '::ffff:8.8.8.8', '::7f00:1'],
  ...[
    '::8.8.8.8',
    '64:ff9b::7f00:1',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:808:808::1',
    '2001::1',
  ],
  ...['2001:0:7f00:1::', '2001:db8::1', '3fff::1', '100::1', '5f00::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1'],
  ...['febf::1', 'fec0::1', 'ff02::1', '4000::1', '0:0:0:0:0:ffff:7f00:0001'],
]
// A mapped address is judged by what it maps to.
const PUBLIC_V6 = new Set(['::ffff:8.8.8.8'])
const LOCAL_NAMES = [
  ...['localhost', 'LOCALHOST', 'localhost.', 'localhost..', 'a.localhost', 'db', 'db.', 'printer.local', 'metadata'],
  ...['metadata.google.internal', 'metadata.google.internal.', 'a.localdomain', 'router.home.arpa', 'x.INTERNAL'],
]

test('no address but a public one may be called', async t => {
  for (const address of V4) t.ok(refuseTarget(`https://${address}/`, []), address)
  for (const address of V6) {
    const refused = refuseTarget(`https://[${address}]/`, [])
    t.equal(refused === undefined, PUBLIC_V6.has(address), `${address}: ${refused}`)
  }
  for (const address of ['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.255.255', '192.0.1.1']) {
    t.equal(refuseTarget(`https://${address}/`, []), undefined, address)
  }
  t.equal(refuseTarget('https://[2606:4700:4700::1111]/', []), undefined)
})

test('no spelling of an address hides it', async t => {
  const spellings = [
    ...[
      '2130706433',
      '0x7f000001',
      '0x7f.1',
      '0177.0.0.1',
      '017700000001',
      '127.1',
      '127.0.1',
      '0',
      '0x0',
      '127.0.0.1.',
    ],
    ...[
      '①②⑦.⓪.⓪.①',
      '127。0。0。1',
      '１２７.0.0.1',
      '%31%32%37.0.0.1',
      '0xa9fea9fe',
      '2852039166',
      '0251.0376.0251.0376',
    ],
    ...[
      '[0:0:0:0:0:0:0:1]',
      '[::0001]',
      '[0::ffff:127.0.0.1]',
      '[::ffff:0x7f.1]',
      '[fe80::1%25eth0]',
      '[fe80::1%eth0]',
    ],
    ...[
      'localhost%00.example.com',
      '127.0.0.1%00.example.com',
      'ⓛocalhost',
      'loc\u00adalhost',
      '127.0.0.1\t',
      '\n127.0.0.1',
    ],
  ]
  for (const host of spellings) t.ok(refuseTarget(`https://${host}/`, []), JSON.stringify(host))
})

test('no local name may be called', async t => {
  for (const name of LOCAL_NAMES) t.ok(refuseTarget(`https://${name}/`, []), name)
  for (const name of [
    'example.com',
    'example.com.',
    'localhost.example.com',
    'internal.example.com',
    'thelocal.example',
  ]) {
    t.equal(refuseTarget(`https://${name}/`, []), undefined, name)
  }
})

test('only https may be called, on 443 or 8443', async t => {
  for (const scheme of ['http', 'ftp', 'file', 'gopher', 'ws', 'wss', 'ldap', 'dict']) {
    t.ok(refuseTarget(`${scheme}://example.com/`, []), scheme)
  }
  const others = [
    ...['javascript:alert(1)', 'data:text/plain,x', 'file:///etc/passwd', '//example.com/', '/replies', 'replies', ''],
    ...[
      'https://',
      'https:///',
      'https://?',
      'https://#',
      'https://.',
      'https://..',
      'blob:https://example.com/x',
      'about:blank',
    ],
  ]
  for (const url of others) t.ok(refuseTarget(url, []), url)
  for (const port of [0, 22, 25, 80, 444, 5432, 6379, 8080, 65535, 65536, -1]) {
    t.ok(refuseTarget(`https://example.com:${port}/`, []), String(port))
  }
  for (const port of ['443', '8443', '0443']) t.equal(refuseTarget(`https://example.com:${port}/`, []), undefined, port)
})

test('no URL may carry a user, nor hide its host behind one', async t => {
  for (const authority of ['u:p@example.com', 'u@example.com', ':p@example.com', 'a@127.0.0.1@b.example']) {
    t.ok(refuseTarget(`https://${authority}/`, []), authority)
  }
  // Here other parsers see other hosts; ours is the one that connects.
  const inside = [
    '127.0.0.1\\@example.com',
    '127.0.0.1#@example.com',
    '127.0.0.1?@example.com',
    '127.0.0.1/@example.com',
  ]
  for (const authority of inside) t.ok(refuseTarget(`https://${authority}/`, []), authority)
  t.ok(refuseTarget('https://example.com%2f@127.0.0.1/', []))
  const hosts: string[] = []
  const resolver: Resolver = (host, _options, callback) => {
    hosts.push(host)
    callback(null, [{ address: '10.0.0.1', family: 4 }])
  }
  await t.rejects(createEgressFetch([], resolver)('https://example.com\\@127.0.0.1/'), EgressBlocked)
  t.same(hosts, ['example.com'], 'what is checked is what is connected to')
})

test('a URL has at most 2048 characters', async t => {
  const path = (length: number) => `https://example.com/${'a'.repeat(length - 'https://example.com/'.length)}`
  t.equal(refuseTarget(path(2048), []), undefined)
  t.ok(refuseTarget(path(2049), []))
})

test('an allowed block opens itself and nothing more', async t => {
  const blocks = ['10.1.0.0/16', 'fd00::/8', '192.168.1.1/32']
  for (const url of ['http://10.1.2.3/', 'http://10.1.2.3:9000/', 'https://[fd12::1]:22/', 'http://192.168.1.1/']) {
    t.equal(refuseTarget(url, blocks), undefined, url)
  }
  const outside = [
    ...['http://10.2.0.1/', 'http://127.0.0.1/', 'http://[::1]/', 'http://169.254.169.254/', 'http://192.168.1.2/'],
    ...['https://u:p@10.1.2.3/', 'ftp://10.1.2.3/', 'http://8.8.8.8/', 'https://8.8.8.8:22/', 'http://[2606:4700::1]/'],
  ]
  for (const url of outside) t.ok(refuseTarget(url, blocks), url)
  t.equal(refuseTarget('http://[::ffff:10.1.2.3]/', blocks), undefined, 'mapped into the block')
  t.ok(refuseTarget('http://[::ffff:10.2.0.1]/', blocks), 'mapped past the block')
  t.equal(refuseTarget('http://shop.local:9000/', blocks), undefined, 'a name is judged when it is called')
})

test('a refused URL is not connected to', async t => {
  const { port, seen } = await startServer(t)
  for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0', '127.0.0.1.']) {
    await t.rejects(fetchPublic(`http://${host}:${port}/`), EgressBlocked, host)
    await t.rejects(fetchPublic(`https://${host}:${port}/`), EgressBlocked, host)
  }
  await t.rejects(fetchPublic(new URL(`http://127.0.0.1:${port}/`)), EgressBlocked)
  await t.rejects(fetchPublic(new Request(`http://127.0.0.1:${port}/`)), EgressBlocked)
  t.equal(seen.connections, 0)
})

test('a name is called only when every address it has may be called', async t => {
  const { seen } = await startServer(t)
  const call = (...addresses: string[]) => createEgressFetch([], resolving(...addresses))('https://shop.example/')
  for (const address of [...V4, ...V6.filter(one => !PUBLIC_V6.has(one)), 'fe80::1%eth0', 'nonsense', '']) {
    await t.rejects(call(address), EgressBlocked, address)
    await t.rejects(call('93.184.215.14', address), EgressBlocked, `${address} among public ones`)
  }
  await t.rejects(call(), EgressBlocked, 'no address')
  t.equal(seen.connections, 0)
})

test('a block says nothing about what the name resolved to', async t => {
  const error = await createEgressFetch([], resolving('10.9.8.7'))('https://shop.example/').catch((e: Error) => e)
  t.same([(error as Error).message, (error as EgressBlocked).code], ['the address is not allowed', 'EGRESS_BLOCKED'])
  t.notMatch(JSON.stringify([error, String((error as Error).cause)]), /10\.9\.8\.7/)
})

test('a name that changes its address between two calls is checked at each of them', async t => {
  // 127.0.0.2 plays the public address, so that the test calls nobody outside.
  const inside = await startServer(t)
  const server = createServer((_, response) => response.writeHead(200, { connection: 'close' }).end('outside'))
  await new Promise<void>(resolve => server.listen(inside.port, '127.0.0.2', resolve))
  t.teardown(() => void server.close())
  const answers = ['127.0.0.2', '127.0.0.1']
  let asked = 0
  const rebinding: Resolver = (_name, _options, callback) => {
    const address = answers[Math.min(asked, 1)]!
    asked += 1
    callback(null, [{ address, family: 4 }])
  }
  const fetch = createEgressFetch(['127.0.0.2/32'], rebinding)
  const url = `http://rebind.example:${inside.port}/`
  t.equal(await (await fetch(url)).text(), 'outside')
  t.equal(asked, 1, 'one look-up serves the check and the connection')
  await t.rejects(fetch(url), EgressBlocked)
  t.equal(asked, 2)
  t.equal(inside.seen.connections, 0)
})

test('a receiver is connected to by address and called by its name', async t => {
  const { port, seen } = await startServer(t)
  const fetch = createEgressFetch(['127.0.0.1/32'], resolving('127.0.0.1'))
  t.equal(await (await fetch(`http://shop.example:${port}/`)).text(), 'here')
  t.same(seen.hosts, [`shop.example:${port}`])
})

test('without TLS or on another port, a name must lead into an allowed block', async t => {
  const { port, seen } = await startServer(t)
  const fetch = createEgressFetch(['127.0.0.0/8'], resolving('127.0.0.1'))
  t.equal((await fetch(`http://shop.local:${port}/`)).status, 200)
  const outside = createEgressFetch(['127.0.0.0/8'], resolving('93.184.215.14'))
  await t.rejects(outside('http://shop.example/'), EgressBlocked)
  await t.rejects(outside('https://shop.example:9200/'), EgressBlocked)
  const both = createEgressFetch(['127.0.0.0/8'], resolving('127.0.0.1', '10.0.0.1'))
  await t.rejects(both(`http://shop.local:${port}/`), EgressBlocked, 'one address of two is not allowed')
  t.equal(seen.connections, 1)
})

test('a redirect is handed back, not followed', async t => {
  const target = await startServer(t)
  for (const location of ['http://169.254.169.254/latest/meta-data/', target.url, '/elsewhere', 'file:///etc/passwd']) {
    const { url, seen } = await startServer(t, (_, response) => response.writeHead(302, { location }).end('moved'))
    const response = await createEgressFetch(['127.0.0.1/32'])(url, { redirect: 'follow' })
    t.same([response.status, response.headers.get('location')], [302, location])
    t.equal(seen.hosts.length, 1)
  }
  t.equal(target.seen.connections, 0)
})

test('no more than 16 MiB of an answer is handed over, folded or not', async t => {
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  const endless = await startServer(t, (_, response) => {
    const more = () => {
      while (!response.destroyed) if (!response.write(chunk)) return void response.once('drain', more)
    }
    more()
  })
  const fetch = createEgressFetch(['127.0.0.1/32'])
  await t.rejects((await fetch(endless.url)).arrayBuffer(), 'an endless answer')
  const { createGzip } = await import('node:zlib')
  const folded = await startServer(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' })
    const gzip = createGzip()
    gzip.pipe(response)
    for (let n = 0; n < 17; n += 1) gzip.write(chunk)
    gzip.end()
  })
  await t.rejects((await fetch(folded.url)).arrayBuffer(), { message: /exceeds 16777216 bytes/ }, '17 MiB in some kB')
})

test('an answer is otherwise handed over as it came', async t => {
  const { url } = await startServer(t, (request, response) => {
    response.writeHead(207, 'Many', {
      'x-asked': request.headers['accept-encoding'] ?? '',
      'set-cookie': ['a=1', 'b=2'],
    })
    request.pipe(response)
  })
  const body = 'x'.repeat(1_000_000)
  const response = await createEgressFetch(['127.0.0.1/32'])(url, { method: 'POST', body })
  t.same([response.status, response.statusText, response.headers.get('x-asked')], [207, 'Many', 'identity'])
  t.same(response.headers.getSetCookie(), ['a=1', 'b=2'])
  t.equal(await response.text(), body)
  const empty = await startServer(t, (_, answer) => answer.writeHead(204).end())
  t.equal((await createEgressFetch(['127.0.0.1/32'])(empty.url)).status, 204)
})

test('a host that is not called by HTTP is resolved by the same rules', async t => {
  const resolve = (allowed: string[], ...addresses: string[]) => createEgressResolver(allowed, resolving(...addresses))
  t.same(await resolve([], '8.8.8.8')('mail.brand.example.'), { address: '8.8.8.8', is_private: false })
  for (const address of [...V4, ...V6].filter(address => !PUBLIC_V6.has(address))) {
    await t.rejects(resolve([], address)('mail.brand.example'), EgressBlocked, address)
    await t.rejects(resolve([], '8.8.8.8', address)('mail.brand.example'), EgressBlocked, `beside ${address}`)
  }
  for (const host of LOCAL_NAMES) await t.rejects(resolve([], '8.8.8.8')(host), EgressBlocked, host)
  const allowed = ['10.0.0.0/8']
  t.same(await resolve(allowed, '10.1.2.3')('mail'), { address: '10.1.2.3', is_private: true })
  t.same(await resolve(allowed, '8.8.8.8')('mail.brand.example'), { address: '8.8.8.8', is_private: false })
  t.same(await resolve(allowed, '10.1.2.3', '8.8.8.8')('x.example'), { address: '10.1.2.3', is_private: false }, 'both')
  await t.rejects(resolve(allowed, '192.168.1.1')('mail'), EgressBlocked)
})
