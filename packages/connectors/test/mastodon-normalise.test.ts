import type { ConnectorMessage } from '@parley/contracts'
import { connectedChannel } from '@parley/testing'
import fc from 'fast-check'
import { test } from 'tap'
import { MalformedPayload } from '../src/errors.ts'
import { mastodonConnector } from '../src/mastodon/index.ts'

const received_at = new Date('2026-11-20T12:00:00.000Z')
const channel = connectedChannel({ external_id: '1' })
const ana = {
  id: '109',
  acct: 'ana@remote.example',
  username: 'ana',
  display_name: 'Ana Silva',
  uri: 'https://remote.example/users/ana',
  url: 'https://remote.example/@ana',
  avatar_static: 'https://remote.example/ana.png',
  bot: false,
}

const post = (fields: Record<string, unknown> = {}) => ({
  id: '114000000000000001',
  created_at: '2026-11-20T11:00:00.000Z',
  account: ana,
  content: '<p>Where is my order?</p>',
  visibility: 'public',
  mentions: [{ id: '1', acct: 'brand', url: 'https://here.example/@brand' }],
  uri: 'https://remote.example/statuses/1',
  url: 'https://remote.example/@ana/1',
  ...fields,
})

const stored = (status: unknown, fields: Record<string, unknown> = {}) => ({
  our_id: '1',
  host: 'here.example',
  type: 'mention',
  thread: { root: '114000000000000001', root_is_ours: false, parent_is_ours: false },
  status,
  ...fields,
})

const read = (status: unknown, fields: Record<string, unknown> = {}) =>
  mastodonConnector.normalise(channel, stored(status, fields), received_at) as ConnectorMessage

test('a mention is described in the words of the inbox', t => {
  t.match(read(post({ spoiler_text: 'Order 12', edited_at: '2026-11-20T11:30:00.000Z' })), {
    external_id: '114000000000000001',
    kind: 'mention',
    visibility: 'public',
    author: {
      external_id: 'https://remote.example/users/ana',
      handle: '@ana@remote.example',
      display_name: 'Ana Silva',
      avatar_url: 'https://remote.example/ana.png',
    },
    text: 'Where is my order?',
    subject: 'Order 12',
    permalink: 'https://remote.example/@ana/1',
    occurred_at: '2026-11-20T11:00:00.000Z',
    version_at: '2026-11-20T11:30:00.000Z',
    from_us: false,
    reply_context: { id: '114000000000000001', mentions: ['ana@remote.example'], spoiler_text: 'Order 12' },
  })
  t.end()
})

test('a status is on the one that its thread began with, and what is said to a few is on none', t => {
  const thread = { root: '114000000000000000', root_is_ours: true, parent_is_ours: true }
  t.same(read(post(), { thread }).post, { external_id: '114000000000000000', from_us: true })
  t.same(read(post()).post, { external_id: '114000000000000001', from_us: false })
  t.equal(read(post({ visibility: 'direct' })).post, undefined)
  t.equal(read(post(), { thread: null }).post, undefined)
  t.end()
})

test('links are written out, mentions keep their server, repeated quotes are left out', t => {
  const content =
    '<p class="quote-inline">RE: <a href="https://here.example/1">…</a></p>' +
    '<p>Hi <span class="h-card"><a href="https://here.example/@ben" class="u-url mention">@<span>ben</span></a></span> &amp; ' +
    '<a href="https://remote.example/tags/kettle" class="mention hashtag">#<span>kettle</span></a><br>:blobcat: ' +
    '<a href="https://shop.example/a/long/address"><span class="invisible">https://</span>' +
    '<span class="ellipsis">shop.example/a/lo</span><span class="invisible">ng/address</span></a></p><ul><li>one</li></ul>'
  const mentions = [{ id: '7', acct: 'ben@other.example', url: 'https://here.example/@ben' }]
  const { text, html } = read(post({ content, mentions }))
  t.equal(text, 'Hi @ben@other.example & #kettle\n:blobcat: https://shop.example/a/long/address\n\n- one')
  t.notMatch(html, /RE:/)
  t.end()
})

test('a quote that was never closed hides nothing of what follows', t => {
  t.equal(read(post({ content: '<p class="quote-inline">RE: x<p>still here</p>' })).text, 'still here')
  t.end()
})

test('a visibility nobody knows is taken as private', t => {
  for (const [word, visibility] of [
    ['public', 'public'],
    ['unlisted', 'unlisted'],
    ['private', 'followers'],
    ['direct', 'private'],
    ['local', 'private'],
    ['list:5', 'private'],
    ['constructor', 'private'],
    [undefined, 'private'],
  ])
    t.equal(read(post({ visibility: word })).visibility, visibility, word ?? 'none')
  t.end()
})

test('how it came to be addressed to us follows from the post and its thread', t => {
  const thread = { root: '5', root_is_ours: false, parent_is_ours: false }
  t.equal(read(post(), { thread: { ...thread, root_is_ours: true } }).kind, 'reply')
  t.equal(read(post(), { thread: { ...thread, parent_is_ours: true } }).kind, 'reply')
  t.equal(read(post(), { type: 'quote' }).kind, 'quote')
  t.equal(read(post({ quote: { quoted_status: { account: { id: '1' } } } })).kind, 'quote')
  t.equal(read(post({ visibility: 'direct' }), { type: 'quote' }).kind, 'direct')
  t.end()
})

test('files of other servers are read from there where ours has none', t => {
  const media_attachments = [
    { id: '1', type: 'image', url: 'https://here.example/a.png', remote_url: null, description: 'A kettle' },
    { id: '2', type: 'unknown', url: null, remote_url: 'https://remote.example/b.MP4?x=1' },
    { id: '3', type: 'image', url: 'javascript:alert(1)' },
    { nothing: true },
  ]
  t.match(read(post({ media_attachments })).attachments, [
    { external_id: '1', url: 'https://here.example/a.png', media_type: 'image/png', alt_text: 'A kettle' },
    { external_id: '2', url: 'https://remote.example/b.MP4?x=1', media_type: 'video/mp4', filename: 'b.MP4' },
    { external_id: '3', url: null },
  ])
  t.equal(read(post({ media_attachments })).attachments?.length, 3)
  t.end()
})

test('a message of ours is ours, a program is a program, a person without an address is known by id', t => {
  t.equal(read(post({ account: { ...ana, id: '1' } })).from_us, true)
  t.equal(read(post({ account: { ...ana, bot: true } })).automatic, true)
  const bare = { id: '7', acct: 'ben' }
  t.match(read(post({ account: bare })).author, { external_id: '7@here.example', handle: '@ben@here.example' })
  t.end()
})

test('everything but ids, times and the author may be missing or nonsense', t => {
  const least = { id: 'A1/b', created_at: 'yesterday', account: { id: '7' } }
  t.match(read(least), { text: '', visibility: 'private', occurred_at: received_at.toISOString(), permalink: null })
  const keys = Object.keys(post({ media_attachments: [], quote: null, edited_at: null, spoiler_text: '' }))
  fc.assert(
    fc.property(
      fc.constantFrom(...keys.filter(key => !['id', 'created_at', 'account'].includes(key))),
      fc.anything(),
      (key, value) => {
        return read(JSON.parse(JSON.stringify({ ...post(), [key]: value ?? null }))).type === 'message'
      },
    ),
  )
  t.end()
})

test('what is no post is refused by itself, and one that was gone already is nothing', t => {
  t.throws(() => read({ id: '1' }), MalformedPayload)
  t.throws(() => mastodonConnector.normalise(channel, 'nonsense', received_at), MalformedPayload)
  t.match(mastodonConnector.normalise(channel, stored(null), received_at), { type: 'ignored' })
  t.end()
})
