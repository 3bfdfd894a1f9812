import t from 'tap'
import { retryAfterMs } from './retry-after.ts'

const now = new Date('2026-11-22T12:00:00.000Z')
const DAY_MS = 86_400_000

t.test('Retry-After is seconds or a date, and never more than a day', async t => {
  const asked: [string, number][] = [
    ['1', 1_000],
    ['120', 120_000],
    ['Sun, 22 Nov 2026 12:05:00 GMT', 300_000],
    ['Sunday, 22-Nov-26 12:05:00 GMT', 300_000],
    ['1000000000', DAY_MS],
    ['9'.repeat(400), DAY_MS],
    ['Fri, 01 Jan 2100 00:00:00 GMT', DAY_MS],
  ]
  for (const [header, ms] of asked) t.equal(retryAfterMs(header, now), ms, header)
})

t.test('what makes no sense, or has passed, asks for nothing', async t => {
  const nonsense = ['', '0', '-5', '1e9', '1.5', '0x10', 'soon', '5 minutes', 'Infinity', 'NaN', '2026-11-22T12:05:00Z']
  const passed = ['Sun, 22 Nov 2026 11:55:00 GMT', 'Thu, 01 Jan 1970 00:00:00 GMT']
  for (const header of [...nonsense, ...passed, 'Mon, x GMT', null]) {
    t.equal(retryAfterMs(header, now), null, String(header))
  }
})
