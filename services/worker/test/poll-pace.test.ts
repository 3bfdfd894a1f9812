import t from 'tap'
import { afterWindow, backOff, nextRound, spreadOut } from '../src/polling/pace.ts'

const start = new Date('2026-11-22T12:00:00.000Z')
const HOUR_MS = 3_600_000

/** How many channels come back in the second in which most of them do. */
function crowdOf(times: Date[]): number {
  const seconds = new Map<number, number>()
  for (const time of times) {
    const second = Math.floor(time.getTime() / 1000)
    seconds.set(second, (seconds.get(second) ?? 0) + 1)
  }
  return Math.max(...seconds.values())
}

t.test('a round is as long as its channel says, and up to a fifth longer', async t => {
  for (const poll_seconds of [5, 15, 86_400]) {
    for (let i = 0; i < 100; i += 1) {
      const ms = nextRound(start, poll_seconds).getTime() - start.getTime()
      t.ok(ms >= poll_seconds * 1000 && ms <= poll_seconds * 1200, `${poll_seconds} s: ${ms} ms`)
    }
  }
})

t.test('the wait doubles with each failure and stays at a quarter of an hour', async t => {
  for (const failures of [1, 2, 5, 6, 7, 40, 2_000]) {
    const ms = backOff(start, failures).getTime() - start.getTime()
    const least = Math.min(15_000 * 2 ** failures, 15 * 60_000)
    t.ok(ms >= least && ms <= least * 1.2, `${failures} failures: ${ms} ms`)
  }
})

t.test('channels that failed together for an hour come back one by one', async t => {
  // All of them are asked in the same second, again and again, until the network is back.
  const back = new Date(start.getTime() + HOUR_MS)
  const times = Array.from({ length: 500 }, () => {
    let at = start
    for (let failures = 1; at < back; failures += 1) at = backOff(at, failures)
    return at
  })
  const crowd = crowdOf(times)
  t.ok(crowd <= 20, `at most ${crowd} of 500 in one second`)
})

t.test('channels that were told the same time come back after it, one by one', async t => {
  for (const waitMs of [1_000, 60_000, HOUR_MS, 24 * HOUR_MS]) {
    const resume_at = new Date(start.getTime() + waitMs)
    const times = Array.from({ length: 500 }, () => afterWindow(start, resume_at))
    t.ok(
      times.every(time => time >= resume_at),
      'never before',
    )
    t.ok(
      times.every(time => time.getTime() <= resume_at.getTime() + 5 * 60_000),
      'and soon after',
    )
    const crowd = crowdOf(times)
    t.ok(crowd <= 70, `after ${waitMs} ms: at most ${crowd} of 500 in one second`)
  }
})

t.test('channels that nobody read for a while come back within a round, one by one', async t => {
  const times = Array.from({ length: 500 }, () => spreadOut(start))
  t.ok(times.every(time => time.getTime() - start.getTime() <= 15_000))
  const crowd = crowdOf(times)
  t.ok(crowd <= 70, `at most ${crowd} of 500 in one second`)
})
