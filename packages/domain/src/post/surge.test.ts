import { ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { minuteOf, type SurgeState, surgeOf } from './surge.ts'

const BORN = new Date('2026-03-02T08:00:00Z')
const first = minuteOf(BORN)
const at = (minute: number) => new Date((first + minute) * 60_000 + 30_000)

/** The surges of a post that got so many messages in each minute of its life, looked at in every minute. */
function surgesOf(perMinute: number[], born = BORN): { minute: number; state: SurgeState }[] {
  const counts = new Map<number, number>()
  const surges: { minute: number; state: SurgeState }[] = []
  let state: SurgeState | undefined
  for (const [minute, count] of perMinute.entries()) {
    counts.set(first + minute, count)
    const next = surgeOf(counts, born, state, at(minute))
    if (next && next.surge !== state?.surge) surges.push({ minute, state: next })
    state = next ?? state
  }
  return surges
}

const times = (count: number, minutes: number) => Array<number>(minutes).fill(count)
/** Counts by chance around a rate, from a seed. */
function byChance(rate: number, minutes: number, seed: number): number[] {
  let state = seed >>> 0
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return times(0, minutes).map(() => {
    if (rate > 50) {
      const normal = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random())
      return Math.max(0, Math.round(rate + Math.sqrt(rate) * normal))
    }
    let count = 0
    for (let left = random(); left > Math.exp(-rate); left *= random()) count += 1
    return count
  })
}

t.test('a steady rate does not surge, whatever it is', async () => {
  fc.assert(fc.property(fc.nat(10_000), rate => surgesOf(times(rate, 120)).length === 0))
  const seeds = fc.integer({ min: 1, max: 2 ** 31 })
  fc.assert(
    fc.property(fc.double({ min: 0.05, max: 2_000, noNaN: true }), seeds, (rate, seed) => {
      ok(surgesOf(byChance(rate, 120, seed)).length === 0)
    }),
    { numRuns: 200 },
  )
})

t.test('a tenfold jump surges within three minutes, once', async () => {
  const jumps = fc.record({ rate: fc.integer({ min: 1, max: 1_000 }), quiet: fc.integer({ min: 20, max: 400 }) })
  fc.assert(
    fc.property(jumps, ({ rate, quiet }) => {
      const surges = surgesOf([...times(rate, quiet), ...times(rate * 10, 30)])
      ok(surges.length === 1, `${surges.length} surges`)
      ok(surges[0]!.minute >= quiet && surges[0]!.minute < quiet + 3, `after ${surges[0]!.minute - quiet}`)
    }),
    { numRuns: 100 },
  )
})

t.test('a post that nobody wrote on surges when many do', async t => {
  const [surge] = surgesOf([...times(0, 60), ...times(12, 5)])
  t.match(surge, { minute: 61, state: { surge: { baseline_per_minute: 0, factor: null, count: 24 } } })
})

t.test('small numbers never surge, however great the factor', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3 }), burst => surgesOf([...times(0, 60), ...times(burst, 60)]).length === 0),
  )
})

t.test('nothing is usual yet for a new post', async t => {
  t.same(surgesOf([...times(1, 5), ...times(100, 5)]), [])
})

t.test('a surge says what made it one, and ends ten minutes after it is over; the next is another', async t => {
  const surges = surgesOf([...times(2, 60), ...times(40, 20), ...times(2, 60), ...times(400, 5)])
  t.equal(surges.length, 2)
  const { since, ...numbers } = surges[0]!.state.surge
  t.equal(since, at(surges[0]!.minute).toISOString())
  t.match(numbers, { baseline_per_minute: 2, window_minutes: 5, rate_per_minute: 9.6, factor: 4.8, count: 48 })
  t.equal(surges[1]!.minute, 140)
})
