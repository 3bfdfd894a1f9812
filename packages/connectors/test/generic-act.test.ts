import { connectedChannel, connectorContext, type Received, startReceiver } from '@parley/testing'
import { test } from 'tap'
import type { OutgoingAction } from '../src/connector.ts'
import { createEgressFetch } from '../src/egress.ts'
import { SendRefused } from '../src/errors.ts'
import { genericConnector } from '../src/generic/index.ts'
import { verify } from '../src/generic/signature.ts'

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const ID = '019bc119-0100-7abc-9def-0123456789ab'
const start = new Date('2026-01-15T09:30:00.000Z')
const loopback = createEgressFetch(['127.0.0.0/8'])

const action: OutgoingAction = {
  action_id: ID,
  verb: 'hide',
  target: { external_id: 'r-1', reply_context: { context: 'opaque' }, visibility: 'public', from_us: false },
  text: null,
}

const channelAt = (action_url: string, credentials: Record<string, unknown> = { signing_secrets: [SECRET] }) =>
  connectedChannel({ settings: { action_url, actions: ['like', 'hide', 'edit'] }, credentials })

const contextAt = (now: Date) => connectorContext({ now: () => now, fetch: loopback })

const idOf = ({ headers }: Received) => headers['webhook-id']

function isSigned({ headers, rawBody }: Received, now: Date): boolean {
  const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map(name => String(headers[`webhook-${name}`]))
  return verify([SECRET], { id: id!, timestamp: timestamp!, signature: signature! }, rawBody, now)
}

test('an action is POSTed with a signature, and any 2xx says that it is done', async t => {
  const { url, received } = await startReceiver(t, () => ({ status: received.length === 1 ? 200 : 202 }))
  for (const text of [null, 'It arrives on Monday']) {
    const verb = text === null ? 'hide' : 'edit'
    const done = await genericConnector.act!(channelAt(url), { ...action, verb, text }, contextAt(start))
    t.same(done, { outcome: 'sent', accepted_at: start })
    const last = received.at(-1)!
    t.equal(idOf(last), ID)
    t.ok(isSigned(last, start))
    t.same(last.body, {
      type: 'action.requested',
      timestamp: '2026-01-15T10:00:00.000Z',
      data: { action_id: ID, verb, external_id: 'r-1', text, context: 'opaque' },
    })
  }
})

test('a repeat is the same request with a fresh timestamp and signature', async t => {
  const { url, received } = await startReceiver(t, () => 'cut')
  const later = new Date(start.getTime() + 3_600_000)
  for (const now of [start, later]) {
    const outcome = await genericConnector.act!(channelAt(url), action, contextAt(now))
    t.match(outcome, { outcome: 'unknown' }, 'an answer that is lost')
  }
  const [one, two] = received as [Received, Received]
  t.same(two.rawBody, one.rawBody)
  t.equal(idOf(two), idOf(one))
  t.ok(isSigned(two, later))
})

test('an action is accepted while it is asked for, whatever else the answer says', async t => {
  const bodies: [unknown, string][] = [
    [{ accepted_at: '2026-01-15T09:30:05Z' }, '2026-01-15T09:30:05.000Z'],
    [{ accepted_at: '1970-01-01T00:00:00Z' }, '2026-01-15T09:30:00.000Z'],
    [{ accepted_at: 'today' }, '2026-01-15T09:30:10.000Z'],
    [['ok'], '2026-01-15T09:30:10.000Z'],
  ]
  for (const [body, accepted] of bodies) {
    const { url } = await startReceiver(t, () => ({ status: 200, body }))
    let calls = 0
    const now = () => new Date(start.getTime() + Math.min(calls++, 1) * 10_000)
    const done = await genericConnector.act!(channelAt(url), action, connectorContext({ now, fetch: loopback }))
    t.same(done, { outcome: 'sent', accepted_at: new Date(accepted) }, JSON.stringify(body))
  }
})

test('what the receiver does not do is told apart: refused, not now, nobody knows', async t => {
  const outcomeOf = async (status: number, headers = {}) => {
    const { url } = await startReceiver(t, () => ({ status, headers, body: { detail: 'The review is gone' } }))
    return genericConnector.act!(channelAt(url), action, contextAt(start))
  }
  const reason = 'The receiver refused it (404): The review is gone.'
  t.same(await outcomeOf(404), { outcome: 'rejected', reason })
  t.match(await outcomeOf(307), { outcome: 'rejected', reason: /^The action_url redirects/ })
  const wait = { outcome: 'retry', retry_at: new Date(start.getTime() + 120_000) }
  t.match(await outcomeOf(429, { 'retry-after': '120' }), wait)
  for (const status of [302, 408, 500, 503]) t.match(await outcomeOf(status), { outcome: 'unknown' }, String(status))
})

test('only what the channel declares is asked for, and only where it can be signed', async t => {
  const { url, received } = await startReceiver(t, () => ({ status: 200 }))
  const unlike = { ...action, verb: 'unlike' as const }
  await t.rejects(genericConnector.act!(channelAt(url), unlike, contextAt(start)), SendRefused)
  const unsigned = channelAt(url, { bearer_secret: 'x'.repeat(24) })
  t.match(await genericConnector.act!(unsigned, action, contextAt(start)), { outcome: 'rejected', reason: /signing/ })
  t.equal(received.length, 0)
})

test('files and actions are what the settings say', async t => {
  const can = (settings: Record<string, unknown>) => genericConnector.capabilities({ settings, network_facts: {} })
  t.match(can({}), { actions: [], attachments: null })
  const attachments = { max_count: 4, max_bytes: 1_000_000, media_types: ['image/*', 'application/pdf'] }
  const settings = { attachments, action_url: 'https://shop.example.com/actions', actions: ['like', 'unlike'] }
  t.match(can(settings), { actions: ['like', 'unlike'], attachments })
  const refused: Record<string, unknown>[] = [
    { action_url: settings.action_url },
    { actions: ['like'] },
    { ...settings, actions: [] },
    { ...settings, actions: ['like', 'like'] },
    { ...settings, actions: ['ban'] },
    { attachments: {} },
    { attachments: { ...attachments, max_count: 0 } },
    { attachments: { ...attachments, max_count: 21 } },
    { attachments: { ...attachments, media_types: [] } },
    { attachments: { ...attachments, media_types: ['image'] } },
    { attachments: { ...attachments, media_types: ['*/png'] } },
    { attachments: { ...attachments, max_width: 1 } },
  ]
  t.ok(genericConnector.settingsSchema.safeParse(settings).success)
  for (const wrong of refused) t.notOk(genericConnector.settingsSchema.safeParse(wrong).success, JSON.stringify(wrong))
})
