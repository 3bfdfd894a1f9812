import { readdirSync, readFileSync } from 'node:fs'
import { type Connector, connectorFor } from '@parley/connectors'
import { CHANNEL_KINDS, type ChannelCapabilities } from '@parley/domain'
import { connectedChannel, connectorContext } from '@parley/testing'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addConversation, BEARER_SECRET, type Json, SIGNING_SECRET, testApi } from './helper.ts'

const FOLDER = new URL('../../../docs/channels/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8')

const REPEATS: Record<ChannelCapabilities['idempotency'], string> = {
  chosen_key: 'the same post',
  header_key: 'the same post, for a time',
  look_up: 'another reply',
  none: 'another reply',
}

/** The row of a kind in the table of kinds, as its connector would write it. */
function rowOf(connector: Connector): string {
  const { kind, settingsSchema } = connector
  const settings = settingsSchema.safeParse({}).data ?? {}
  const can = connector.capabilities({ settings, network_facts: {} })
  const ways = [connector.receive && 'webhook', connector.poll && 'polling', connector.listen && 'listening']
  const characters = can.text.max_characters === null ? [] : [`${can.text.max_characters} characters`]
  const { attachments: files } = can
  const cells = [
    `[\`${kind}\`](${kind}.md)`,
    ways.filter(Boolean).join(', '),
    [...characters, `${can.text.max_bytes} bytes`].join(', '),
    can.visibilities.join(', '),
    files ? `${files.max_count} of ${files.max_bytes} bytes: ${files.media_types.join(', ')}` : '–',
    can.actions.join(', ') || '–',
    REPEATS[can.idempotency],
    can.reply_window_seconds === null ? 'for ever' : `${can.reply_window_seconds} s`,
  ]
  return `| ${cells.join(' | ')} |`
}

t.test('the table of kinds says what the connectors say', async t => {
  const rows = read('README.md')
    .split('\n')
    .filter(line => line.startsWith('| [`'))
  t.same(
    rows,
    CHANNEL_KINDS.map(kind => rowOf(connectorFor(kind))),
  )
})

t.test('every kind has a page that names each of its settings and credentials', async t => {
  const pages = readdirSync(FOLDER)
  for (const kind of CHANNEL_KINDS) {
    if (!t.ok(pages.includes(`${kind}.md`), kind)) continue
    const page = read(`${kind}.md`)
    const { settingsSchema, credentialsSchema } = connectorFor(kind)
    for (const schema of [settingsSchema, credentialsSchema]) {
      const { shape = {} } = schema as unknown as { shape?: Record<string, unknown> }
      for (const field of Object.keys(shape)) t.match(page, field, `${kind}: ${field}`)
    }
  }
})

t.test('the requests of the page about Bluesky are answered as it says', async t => {
  const api = await testApi(t)
  const session = { did: 'did:plc:brand', handle: 'brand.example.com', accessJwt: 'a', refreshJwt: 'r' }
  const asked: string[] = []
  api.ctx.fetch = async input => {
    asked.push(String(input))
    return Response.json({ ...session, active: true })
  }
  const [, tried] = await follow(t, api, read('bluesky.md'), { inbox_id: api.ours.inbox_id })
  t.ok(asked.every(url => url.startsWith('https://bsky.social/')))
  const named = [...read('bluesky.md').matchAll(/^\| `(\w+)` \| /gm)].map(match => match[1])
  for (const { name } of tried.checks) t.ok(named.includes(name), `the check ${name} is explained`)
})

t.test('the requests of the page about generic channels are answered as it says', async t => {
  const api = await testApi(t)
  const { inbox_id } = api.ours
  api.clock.now = new Date('2026-11-22T12:00:00Z')
  const values: Record<string, string> = { inbox_id, bearer_secret: BEARER_SECRET }
  const connect = async () => {
    const credentials = { signing_secrets: [SIGNING_SECRET], bearer_secret: BEARER_SECRET }
    const body = { kind: 'generic', name: 'Shop', inbox_id, credentials }
    values.channel_id = (await api.call('POST', '/v1/channels', body)).body.id
  }
  let queue: (() => Promise<void>) | undefined = async () => {
    await connect()
    const conversation = await addConversation(api, api.ours, { id: values.channel_id! })
    const headers = { 'idempotency-key': 'the-reply-of-the-page' }
    const path = `/v1/conversations/${conversation.id}/replies`
    values.message_id = (await api.call('POST', path, { body: 'We are sending you a new one.' }, headers)).body.id
    queue = undefined
  }
  let believed = false
  const before = {
    // Made with a signing secret alone, the channel of the page believes no bearer.
    '/hooks/{channel_id}': async () => {
      if (!believed) await connect()
      believed = true
    },
    '/v1/channels/{channel_id}/outbox': () => queue?.(),
  }
  const answers = await follow(t, api, read('generic.md'), values, before)
  t.match(answers[0].generated_credentials, { signing_secrets: [/^whsec_/] })
  t.match(
    answers.filter(answer => 'accepted' in answer),
    [
      { accepted: 1, rejected: [] },
      { accepted: 2, rejected: [] },
    ],
  )
  t.match(answers.at(-2).data, [{ message_id: values.message_id, text: 'We are sending you a new one.' }])
  t.match(answers.at(-1), { state: 'sent', external_id: 'answer-1' })
})

/** The JSON that a page shows by itself. */
const shownBy = (page: string) =>
  [...read(page).matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => JSON.parse(json!))

t.test('the bodies of a reply and of an action are those that the page shows', async t => {
  const [shown, shownAction] = shownBy('generic.md')
  const { message_id, thread_id: thread_key, in_reply_to: external_id, text, visibility, attachments } = shown.data
  const now = new Date(shown.timestamp)
  const in_reply_to = { external_id, reply_context: null, visibility, from_us: false }
  const files = attachments.map((file: Json) => ({ ...file, read: () => Promise.reject() }))
  const reply = { message_id, text, visibility, thread_key, queued_at: now, in_reply_to, attachments: files }
  const { prepare, act } = connectorFor('generic')
  const prepared = await prepare!(connectedChannel(), reply, connectorContext({ now: () => now }))
  t.match(JSON.parse(prepared.body as string), shown)
  t.equal(prepared.webhook_id, message_id)

  const { action_id, verb, external_id: target_id } = shownAction.data
  const bodies: string[] = []
  const fetch = async (_url: unknown, init?: RequestInit) => {
    bodies.push(String(init!.body))
    return new Response(null, { status: 204 })
  }
  const settings = { action_url: 'https://shop.example.com/actions', actions: [verb] }
  const channel = connectedChannel({ settings, credentials: { signing_secrets: [SIGNING_SECRET] } })
  const target = { ...in_reply_to, external_id: target_id }
  const action = { action_id, verb, target, text: null }
  const done = await act!(channel, action, connectorContext({ fetch: fetch as typeof globalThis.fetch }))
  t.equal(done.outcome, 'sent', 'a 204 is enough')
  t.same(JSON.parse(bodies[0]!), shownAction)
})
