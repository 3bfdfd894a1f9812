import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { type Answers, answers, channel, did, networkOf, refuses, sessionTokens } from './bluesky-network.ts'

const tokenOf = (scope: string) => `h.${Buffer.from(JSON.stringify({ scope })).toString('base64url')}.s`
const good: Answers = {
  describeServer: answers({}),
  createSession: answers({ ...sessionTokens, accessJwt: tokenOf('com.atproto.appPass') }),
  getSession: answers({ did, active: true }),
  listNotifications: answers({ notifications: [] }),
  deleteRecord: answers({}),
}

async function check(change: Answers, without: string[] = []) {
  const given = Object.entries({ ...good, ...change }).filter(([nsid]) => !without.includes(nsid))
  const network = networkOf(Object.fromEntries(given))
  const checks = await blueskyConnector.check!({ ...channel, session: null }, network.context)
  return { checks, network, failed: checks.filter(({ ok }) => !ok).map(({ name }) => name) }
}

test('a channel that works says so of each thing it needs', async t => {
  const { checks, network } = await check({})
  t.strictSame(
    checks.map(({ name, ok }) => [name, ok]),
    ['server', 'login', 'account', 'app_view', 'posting'].map(name => [name, true]),
  )
  const written = network.calls.filter(({ nsid }) => /put|create(?!Session)|delete/.test(nsid))
  t.strictSame(
    written.map(({ input }) => input),
    [{ repo: did, collection: 'app.bsky.feed.post', rkey: '2222222222222' }],
    'nothing is written but the deletion of a post that does not exist',
  )
})

test('each thing fails by itself, in words', async t => {
  const cases: [Answers, string, RegExp][] = [
    [{ describeServer: refuses(404, 'NotFound') }, 'server', /https:\/\/pds.example does not answer.*because/],
    [{ createSession: refuses(401, 'AuthenticationRequired') }, 'login', /refuses this login/],
    [{ createSession: refuses(401, 'AuthFactorTokenRequired') }, 'login', /app password/],
    [{ createSession: answers({ ...sessionTokens, did: 'did:plc:other' }) }, 'login', /did:plc:other/],
    [{ getSession: answers({ did, active: false, status: 'suspended' }) }, 'account', /suspended/],
    [{ listNotifications: refuses(502, 'UpstreamFailure') }, 'app_view', /cannot be read.*because/],
    [{ deleteRecord: refuses(401, 'AccountDeactivated') }, 'posting', /AccountDeactivated/],
    [{ createSession: answers({ ...sessionTokens, accessJwt: tokenOf('com.atproto.takendown') }) }, 'posting', /scope/],
  ]
  for (const [change, name, detail] of cases) {
    const { checks, failed } = await check(change)
    t.strictSame(failed, [name])
    t.match(checks.find(one => one.name === name)?.detail, detail)
  }
  t.strictSame((await check({}, ['describeServer'])).failed, ['server'], 'nobody answers')
  t.strictSame((await check({}, ['listNotifications'])).failed, ['app_view'])
})
