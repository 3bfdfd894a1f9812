import t from 'tap'
import { resetAt, retryAfterAt, usedUpUntil } from './rate-limit.ts'

const NOW = new Date('2026-03-02T12:00:00Z')
const headers = (fields: Record<string, string>) => new Headers(fields)
const inSeconds = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const unix = (seconds: number) => String(inSeconds(seconds).getTime() / 1000)

t.test('a reset is Unix seconds or an instant, and a second is added for the clocks', async t => {
  t.same(resetAt(headers({ 'ratelimit-reset': unix(60) }), NOW), inSeconds(61))
  t.same(resetAt(headers({ 'X-RateLimit-Reset': '2026-03-02T12:05:00.000000Z' }), NOW), inSeconds(301))
})

t.test('a reset that is past, too far or nonsense is none', async t => {
  for (const reset of ['', 'soon', unix(-1), unix(90_000), '60', String(inSeconds(60).getTime())])
    t.equal(resetAt(headers({ 'ratelimit-reset': reset }), NOW), null, reset)
})

t.test('a limit is used up once less is left than a call takes', async t => {
  const left = (remaining: string, cost?: number) =>
    usedUpUntil(headers({ 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': unix(60) }), NOW, cost)
  t.same(left('0'), inSeconds(61))
  t.equal(left('1'), null)
  t.same(left('2', 3), inSeconds(61))
  t.equal(left('3', 3), null)
  t.equal(left('-1'), null)
  t.equal(usedUpUntil(headers({}), NOW), null, 'a server without limits')
})

t.test('Retry-After is an instant from now', async t => {
  t.same(retryAfterAt(headers({ 'retry-after': '30' }), NOW), inSeconds(30))
  t.equal(retryAfterAt(headers({}), NOW), null)
})
