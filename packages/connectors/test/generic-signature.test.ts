import { createHmac, randomBytes } from 'node:crypto'
import { connectedChannel } from '@parley/testing'
import { test } from 'tap'
import type { ConnectedChannel } from '../src/connector.ts'
import { InvalidSignature, MalformedPayload } from '../src/errors.ts'
import { genericConnector } from '../src/generic/index.ts'
import { isSecret, sign, verify } from '../src/generic/signature.ts'

// Made with the npm package standardwebhooks 1.1.1.
const SECRET = 'whsec_aW5ib3gtdGVzdC1zZWNyZXQtMzItYnl0ZXMtbG9uZyE='
const ID = 'msg_01J0TEST'
const TIMESTAMP = 1_768_469_400
const BODY = Buffer.from(
  '{"type":"message.received","timestamp":"2026-01-15T09:30:00Z","data":{"id":"m_1","text":"café 👋"}}',
)
const SIGNATURE = 'v1,1NJQkJt1LDIzQDdBtok7ypqQix0xTEHyvQhJNsNxZOI='
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
const BEARER = 'the-bearer-secret-of-a-shop'
const now = new Date(TIMESTAMP * 1000)

type Headers = Record<string, string | string[] | undefined>

function channel(credentials: Record<string, unknown> = { signing_secrets: [SECRET] }): ConnectedChannel {
  return connectedChannel({ credentials })
}

function headersFor(signature: string, fields: Headers = {}): Headers {
  return { 'webhook-id': ID, 'webhook-timestamp': String(TIMESTAMP), 'webhook-signature': signature, ...fields }
}

function receive(headers: Headers, rawBody: Buffer, at = now, given = channel()) {
  return genericConnector.receive!(given, { headers, rawBody, now: at })
}

/** The scheme written down once more, from its specification, so that signer and verifier cannot be wrong together. */
function independentSignature(secret: string, id: string, timestamp: number, body: Buffer): string {
  const key = Buffer.from(secret.split('_')[1]!, 'base64')
  const content = Buffer.concat([
    Buffer.from(id),
    Buffer.from('.'),
    Buffer.from(`${timestamp}`),
    Buffer.from('.'),
    body,
  ])
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

const event = Buffer.from(
  JSON.stringify({
    type: 'message.received',
    data: { external_id: 'r-1', kind: 'comment', text: 'Hello', created_at: '2026-01-15T09:30:00Z' },
  }),
)
const signedEvent = (secret = SECRET) => sign(secret, ID, TIMESTAMP, event)

test('the signature is the one of the published vector', async t => {
  t.equal(BODY.length, 102)
  t.equal(sign(SECRET, ID, TIMESTAMP, BODY), SIGNATURE)
  t.ok(verify([SECRET], { id: ID, timestamp: String(TIMESTAMP), signature: SIGNATURE }, BODY, now))
})

test('any body and any secret is signed as the specification says', async t => {
  for (const size of [0, 1, 63, 64, 65, 100_000]) {
    const body = randomBytes(size)
    const secret = `whsec_${randomBytes(24 + (size % 41)).toString('base64')}`
    const signature = independentSignature(secret, ID, TIMESTAMP, body)
    t.equal(sign(secret, ID, TIMESTAMP, body), signature)
    t.ok(verify([secret], { id: ID, timestamp: String(TIMESTAMP), signature }, body, now))
  }
})

test('a signature holds for its own id, timestamp, body and secret alone', async t => {
  const good = { id: ID, timestamp: String(TIMESTAMP), signature: SIGNATURE }
  t.ok(verify([SECRET], good, BODY, now))
  t.notOk(verify([OTHER_SECRET], good, BODY, now))
  t.notOk(verify([], good, BODY, now))
  t.notOk(verify([SECRET], { ...good, id: 'msg_01J0TESU' }, BODY, now))
  t.notOk(verify([SECRET], { ...good, timestamp: String(TIMESTAMP + 1) }, BODY, now))
  t.notOk(verify([SECRET], good, Buffer.concat([BODY, Buffer.from(' ')]), now))
  t.notOk(verify([SECRET], good, BODY.subarray(1), now))
})

test('only the exact text of a signature counts', async t => {
  const base64 = SIGNATURE.slice('v1,'.length)
  const wrong = {
    'without its version': base64,
    truncated: SIGNATURE.slice(0, -4),
    'without padding': SIGNATURE.slice(0, -1),
    'in hex': `v1,${Buffer.from(base64, 'base64').toString('hex')}`,
    'in upper-case hex': `v1,${Buffer.from(base64, 'base64').toString('hex').toUpperCase()}`,
    'in base64url': `v1,${Buffer.from(base64, 'base64').toString('base64url')}`,
    'as sha256=': `sha256=${base64}`,
    'of another version': SIGNATURE.replace('v1', 'v2'),
    'with an upper-case version': SIGNATURE.replace('v1', 'V1'),
    'separated by a comma': `v1,AAAA,${SIGNATURE}`,
    empty: '',
    'a version alone': 'v1,',
  }
  for (const [name, signature] of Object.entries(wrong)) {
    t.notOk(verify([SECRET], { id: ID, timestamp: String(TIMESTAMP), signature }, BODY, now), name)
  }
  t.ok(
    verify([SECRET], { id: ID, timestamp: String(TIMESTAMP), signature: `  ${SIGNATURE}  ` }, BODY, now),
    'spaces separate signatures, so more of them change nothing',
  )
})

test('a timestamp may lie 300 seconds off, either way, and no more', async t => {
  const at = (seconds: number) =>
    verify(
      [SECRET],
      { id: ID, timestamp: String(TIMESTAMP), signature: SIGNATURE },
      BODY,
      new Date(now.getTime() + seconds * 1000),
    )
  t.ok(at(300), '300 seconds old')
  t.ok(at(-300), '300 seconds ahead')
  t.notOk(at(301), '301 seconds old')
  t.notOk(at(-301), '301 seconds ahead')
  t.notOk(at(300.5), 'half a second too old')
})

test('a timestamp that is not whole seconds is refused although it is signed', async t => {
  for (const timestamp of ['', 'now', '1768469400.0', ' 1768469400', '+1768469400', '0x69689c18', '1768469400000']) {
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64')
    const signature = `v1,${createHmac('sha256', key).update(`${ID}.${timestamp}.`).update(BODY).digest('base64')}`
    t.notOk(verify([SECRET], { id: ID, timestamp, signature }, BODY, now), JSON.stringify(timestamp))
  }
})

test('an id with a dot is refused although it is signed', async t => {
  // "a.1768469400" and "" would otherwise be the same bytes as "a" and a body that begins with the timestamp.
  for (const id of ['msg.1', `a.${TIMESTAMP}`, '', 'a b', 'a/b', 'ä', 'a'.repeat(129)]) {
    const signature = sign(SECRET, id, TIMESTAMP, BODY)
    t.notOk(verify([SECRET], { id, timestamp: String(TIMESTAMP), signature }, BODY, now), JSON.stringify(id))
  }
  const id = 'a'.repeat(128)
  t.ok(verify([SECRET], { id, timestamp: String(TIMESTAMP), signature: sign(SECRET, id, TIMESTAMP, BODY) }, BODY, now))
})

test('one right signature among several is enough, and unknown versions are skipped', async t => {
  const wrong = sign(OTHER_SECRET, ID, TIMESTAMP, BODY)
  const ed25519 = `v1a,${Buffer.alloc(64, 1).toString('base64')}`
  const given = (signature: string) => ({ id: ID, timestamp: String(TIMESTAMP), signature })
  t.ok(verify([SECRET], given(`${wrong} ${SIGNATURE}`), BODY, now), 'the second is right')
  t.ok(verify([SECRET], given(`${SIGNATURE} ${wrong}`), BODY, now), 'the first is right')
  t.ok(verify([SECRET], given(`${ed25519} ${SIGNATURE}`), BODY, now), 'v1a comes first')
  t.notOk(verify([SECRET], given(ed25519), BODY, now), 'v1a alone')
  t.notOk(verify([SECRET], given(SIGNATURE.replace('v1,', 'v1a,')), BODY, now), 'v1 dressed as v1a')
  t.ok(verify([OTHER_SECRET, SECRET], given(SIGNATURE), BODY, now), 'the second of two secrets')
  const flood = Array(10).fill(wrong).join(' ')
  t.notOk(verify([SECRET], given(`${flood} ${SIGNATURE}`), BODY, now), 'no more than ten are looked at')
})

test('each of the three headers must be there once', async t => {
  const headers = headersFor(signedEvent())
  t.equal(receive(headers, event).events.length, 1)
  for (const name of Object.keys(headers)) {
    const value = headers[name] as string
    t.throws(() => receive({ ...headers, [name]: undefined }, event), InvalidSignature, `${name} is missing`)
    t.throws(() => receive({ ...headers, [name]: '' }, event), InvalidSignature, `${name} is empty`)
    t.throws(() => receive({ ...headers, [name]: [value, value] }, event), InvalidSignature, `${name} as a list`)
  }
  // Node joins a repeated header with a comma.
  for (const name of ['webhook-id', 'webhook-timestamp']) {
    const value = headers[name] as string
    t.throws(() => receive({ ...headers, [name]: `${value}, ${value}` }, event), InvalidSignature, `${name} twice`)
  }
})

test('nothing of a body is read before its sender is believed', async t => {
  const wrong = headersFor(sign(OTHER_SECRET, ID, TIMESTAMP, Buffer.from('{')))
  t.throws(() => receive(wrong, Buffer.from('{')), InvalidSignature)
})

test('a signed body that is no JSON in UTF-8 is malformed, not unsigned', async t => {
  const bodies = {
    empty: Buffer.alloc(0),
    'no UTF-8': Buffer.concat([Buffer.from('{"type":"ping","x":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    'a lone surrogate as bytes': Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
    'cut off': Buffer.from('{'),
    'a trailing comma': Buffer.from('{"type":"ping",}'),
    NaN: Buffer.from('{"type":"ping","x":NaN}'),
    'a comment': Buffer.from('{"type":"ping"/**/}'),
    'two values': Buffer.from('{"type":"ping"}{}'),
  }
  for (const [name, body] of Object.entries(bodies)) {
    t.throws(() => receive(headersFor(sign(SECRET, ID, TIMESTAMP, body)), body), MalformedPayload, name)
  }
})

test('text beyond ASCII is signed as its bytes', async t => {
  const body = Buffer.from(JSON.stringify({ ...JSON.parse(event.toString()), note: 'café 👋 שלום' }))
  t.equal(receive(headersFor(independentSignature(SECRET, ID, TIMESTAMP, body)), body).events.length, 1)
})

test('a bearer secret is enough where the channel has one', async t => {
  const bearer = channel({ bearer_secret: BEARER })
  const send = (authorization: string | undefined, given = bearer) => receive({ authorization }, event, now, given)
  t.equal(send(`Bearer ${BEARER}`).events.length, 1)
  const wrong = {
    'another of the same length': `Bearer ${BEARER.slice(0, -1)}X`,
    shorter: `Bearer ${BEARER.slice(0, -1)}`,
    longer: `Bearer ${BEARER}p`,
    'much longer': `Bearer ${BEARER.repeat(1000)}`,
    empty: 'Bearer ',
    'in another scheme': `Basic ${BEARER}`,
    'without a scheme': BEARER,
    twice: `Bearer ${BEARER}, Bearer ${BEARER}`,
    absent: undefined,
  }
  for (const [name, authorization] of Object.entries(wrong)) t.throws(() => send(authorization), InvalidSignature, name)
  t.throws(() => send(`Bearer ${BEARER}`, channel()), InvalidSignature, 'a channel without one')
  t.throws(() => send(`Bearer ${SECRET}`, channel()), InvalidSignature, 'its signing secret instead')
  t.throws(() => send('Bearer undefined', channel()), InvalidSignature, 'the word undefined')
})

test('a channel with both believes either', async t => {
  const both = channel({ signing_secrets: [SECRET], bearer_secret: BEARER })
  t.equal(receive(headersFor(signedEvent()), event, now, both).events.length, 1)
  t.equal(receive({ authorization: `Bearer ${BEARER}` }, event, now, both).events.length, 1)
  t.throws(() => receive(headersFor(signedEvent(OTHER_SECRET)), event, now, both), InvalidSignature)
  const bearerAlone = channel({ bearer_secret: BEARER })
  t.throws(() => receive(headersFor(signedEvent()), event, now, bearerAlone), InvalidSignature)
})

test('a signing secret is padded base64 of 24 to 64 bytes', async t => {
  for (const bytes of [24, 25, 26, 32, 63, 64]) {
    t.ok(isSecret(`whsec_${randomBytes(bytes).toString('base64')}`), `${bytes} bytes`)
  }
  const base64 = Buffer.alloc(25, 0xff).toString('base64')
  const wrong = {
    '23 bytes': `whsec_${randomBytes(23).toString('base64')}`,
    '65 bytes': `whsec_${randomBytes(65).toString('base64')}`,
    '66 bytes': `whsec_${randomBytes(66).toString('base64')}`,
    'no padding': `whsec_${base64.replace(/=+$/, '')}`,
    base64url: `whsec_${base64.replaceAll('/', '_')}`,
    'no prefix': base64,
    'a private key': `whsk_${base64}`,
    'a line break at its end': `whsec_${base64}\n`,
  }
  for (const [name, secret] of Object.entries(wrong)) t.notOk(isSecret(secret), name)
  const { signing_secrets } = genericConnector.generateCredentials!() as { signing_secrets: string[] }
  t.ok(signing_secrets.every(isSecret), 'the one made for a new channel')
})

test('no error says a secret', async t => {
  const canary = 'canary-0123456789-abcdefgh'
  const signing = `whsec_${Buffer.from(canary).toString('base64')}`
  const credentials = { signing_secrets: [signing], bearer_secret: canary }
  const body = Buffer.from(JSON.stringify({ type: 7, canary }))
  const attempts = [
    () => receive(headersFor(SIGNATURE), BODY, now, channel(credentials)),
    () => receive({ authorization: 'Bearer wrong' }, BODY, now, channel(credentials)),
    () => receive({ authorization: `Bearer ${canary}` }, Buffer.from('{'), now, channel(credentials)),
    () => receive({ authorization: `Bearer ${canary}` }, body, now, channel(credentials)),
    // Stored by a version with other rules.
    () => receive(headersFor(SIGNATURE), BODY, now, channel({ signing_secrets: [`${signing}!`] })),
    () => receive(headersFor(SIGNATURE), BODY, now, channel({ bearer_secret: `${canary}\n` })),
    () => receive(headersFor(SIGNATURE), BODY, now, channel({ ...credentials, more: canary })),
    () => genericConnector.credentialsSchema.parse({ signing_secrets: [canary, signing], bearer_secret: ` ${canary}` }),
  ]
  for (const [index, attempt] of attempts.entries()) {
    try {
      attempt()
      t.fail(`attempt ${index} was let in`)
    } catch (error) {
      const { message, stack } = error as Error
      const shown = JSON.stringify([error, message, stack, String((error as Error).cause)])
      t.notMatch(shown, /canary-0123|whsec_[A-Za-z0-9]{8}/, `attempt ${index}: ${message}`)
    }
  }
})
