import type { ActionVerb } from '@parley/domain'
import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { recordKey } from '../src/bluesky/record-key.ts'
import { type Answers, answers, channel, did, networkOf, refuses } from './bluesky-network.ts'

const action_id = '019ab2c3-d4e5-7abc-9def-0123456789ab'
const rkey = recordKey(action_id)
const uri = 'at://did:plc:ana/app.bsky.feed.post/3lzzzzzzzzz2a'
const like = `at://${did}/app.bsky.feed.like/3lzzzzzzzzz2c`
const own = `at://${did}/app.bsky.feed.post/3lzzzzzzzzz2b`

function act(verb: ActionVerb, network: ReturnType<typeof networkOf>, external_id = uri) {
  const target = { external_id, reply_context: null, visibility: 'public' as const, from_us: external_id === own }
  return blueskyConnector.act!(channel, { action_id, verb, target, text: null }, network.context)
}

const posts = (viewer: object = {}) => answers({ posts: [{ uri, cid: 'bafynow', viewer }] })
const none = answers({ records: [] })

test('a like is a record whose key and time are those of the action: done again it is the same like', async t => {
  const network = networkOf({ getPosts: posts(), putRecord: answers({ uri: like, cid: 'c' }) })
  t.match(await act('like', network), { outcome: 'sent', accepted_at: network.clock.now })
  network.clock.now = new Date(network.clock.now.getTime() + 60_000)
  await act('like', network)
  const [first, second] = network.calls.filter(({ nsid }) => nsid === 'putRecord')
  t.strictSame(first?.input, {
    repo: did,
    collection: 'app.bsky.feed.like',
    rkey,
    swapRecord: null,
    record: {
      $type: 'app.bsky.feed.like',
      subject: { uri, cid: 'bafynow' },
      createdAt: new Date(0x019ab2c3d4e5).toISOString(),
    },
  })
  t.strictSame(second?.input, first?.input)
})

test('what is liked already, by whichever app, is not liked again', async t => {
  const network = networkOf({ getPosts: posts({ like }) })
  t.match(await act('like', network), { outcome: 'sent' })
  t.strictSame(network.called(), ['getPosts'])
})

test('a like that an earlier attempt left on a former version of the post counts', async t => {
  const stored = (subject: string) => answers({ value: { subject: { uri: subject, cid: 'bafybefore' } } })
  const putRecord = refuses(400, 'InvalidSwap')
  t.match(await act('like', networkOf({ getPosts: posts(), putRecord, getRecord: stored(uri) })), { outcome: 'sent' })
  const other = networkOf({ getPosts: posts(), putRecord, getRecord: stored(own) })
  t.match(await act('like', other), { outcome: 'rejected' })
})

test('a like is taken back by its own record, as the AppView or our own server tells it', async t => {
  const deleteRecord = answers({})
  const shown = networkOf({ getPosts: posts({ like }), deleteRecord })
  t.match(await act('unlike', shown), { outcome: 'sent' })
  const record = { uri: like, value: { subject: { uri } } }
  const fresh = networkOf({ getPosts: posts(), listRecords: answers({ records: [record] }), deleteRecord })
  t.match(await act('unlike', fresh), { outcome: 'sent' })
  const gone = networkOf({
    getPosts: answers({ posts: [] }),
    listRecords: answers({ records: [record] }),
    deleteRecord,
  })
  t.match(await act('unlike', gone), { outcome: 'sent' }, 'the like of a deleted post, too')
  const expected = { repo: did, collection: 'app.bsky.feed.like', rkey: '3lzzzzzzzzz2c' }
  for (const { calls } of [shown, fresh, gone]) t.strictSame(calls.at(-1)?.input, expected)
})

test('taking back a like that is not there changes nothing', async t => {
  const network = networkOf({ getPosts: posts(), listRecords: none })
  t.match(await act('unlike', network), { outcome: 'sent' })
  t.strictSame(network.called(), ['getPosts', 'listRecords'])
})

test('only posts of our own are deleted, and those as often as asked', async t => {
  const network = networkOf({ deleteRecord: answers({}) })
  t.match(await act('delete', network, own), { outcome: 'sent' })
  t.match(await act('delete', network, own), { outcome: 'sent' })
  const expected = { repo: did, collection: 'app.bsky.feed.post', rkey: '3lzzzzzzzzz2b' }
  t.strictSame(
    network.calls.map(({ input }) => input),
    [expected, expected],
  )
  t.match(await act('delete', network, uri), { outcome: 'rejected', reason: /Only posts of this account/ })
  t.equal(network.calls.length, 2)
})

test('what Bluesky has no word for is refused in words', async t => {
  for (const verb of ['edit', 'hide', 'unhide'] as const) {
    t.match(await act(verb, networkOf({}), own), { outcome: 'rejected', reason: /Bluesky/ })
    t.notOk(blueskyConnector.capabilities(channel).actions.includes(verb))
  }
  t.match(await act('like', networkOf({ getPosts: answers({ posts: [] }) })), {
    outcome: 'rejected',
    reason: /deleted/,
  })
})

test('an action is retried only when the network certainly did not take it', async t => {
  const cases: [Answers, string][] = [
    [{}, 'retry'],
    [{ getPosts: refuses(503, 'Unavailable') }, 'retry'],
    [{ getPosts: posts() }, 'unknown'],
    [{ getPosts: posts(), putRecord: refuses(500, 'InternalServerError') }, 'unknown'],
    [{ getPosts: posts(), putRecord: refuses(400, 'InvalidRequest') }, 'rejected'],
    [{ getPosts: posts(), putRecord: refuses(429, 'RateLimitExceeded') }, 'retry'],
    [{ getPosts: refuses(401, 'AuthMissing'), refreshSession: refuses(400, 'ExpiredToken') }, 'retry'],
  ]
  for (const [given, outcome] of cases) t.match(await act('like', networkOf(given)), { outcome })
  const reset = String(Date.parse('2026-11-22T12:00:30Z') / 1000)
  const limited = refuses(429, 'RateLimitExceeded', { 'ratelimit-remaining': '0', 'ratelimit-reset': reset })
  const network = networkOf({ getPosts: posts(), putRecord: limited })
  const outcome = await act('like', network)
  t.strictSame(outcome.outcome === 'retry' && outcome.retry_at, new Date('2026-11-22T12:00:31.000Z'))
})
