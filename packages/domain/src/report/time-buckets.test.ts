import fc from 'fast-check'
import t from 'tap'
import { beginningOf, beginsAt, monthOf, wholeMonths } from './quarter-hours.ts'
import { BUCKET_ERROR, bucketOf, valueOfBucket } from './time-buckets.ts'

const CENTURY_MS = 100 * 366 * 86_400_000

t.test('what is read from a bucket is within a hundredth of what was put in', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: CENTURY_MS }), ms => {
      const read = valueOfBucket(bucketOf(ms))
      return Math.abs(read - ms) <= ms * BUCKET_ERROR * 1.000001
    }),
  )
})

t.test('longer times never fall into earlier buckets, and all of them fit into two bytes', async t => {
  fc.assert(
    fc.property(fc.nat(CENTURY_MS), fc.nat(CENTURY_MS), (a, b) => {
      const [short, long] = a < b ? [a, b] : [b, a]
      return bucketOf(short) <= bucketOf(long)
    }),
  )
  t.equal(bucketOf(0), 0)
  t.equal(valueOfBucket(0), 0)
  t.ok(bucketOf(CENTURY_MS) <= 1_442)
})

t.test('quarters of an hour begin at full quarters of UTC', async t => {
  const at = new Date('2026-03-02T09:44:59.999Z')
  t.same(beginningOf(at, 15), new Date('2026-03-02T09:30:00Z'))
  t.same(beginningOf(at, 60), new Date('2026-03-02T09:00:00Z'))
  t.notOk(beginsAt(beginningOf(at, 15), 60))
  t.ok(beginsAt(beginningOf(at, 15), 15))
  t.notOk(beginsAt(at, 15))
})

t.test('the whole months of a period are those of UTC that begin and end in it', async t => {
  const months = (from: string, to: string) => {
    const found = wholeMonths({ from: new Date(from), to: new Date(to) })
    return found && [found.from, found.to].map(at => at.toISOString().slice(0, 10))
  }
  t.same(months('2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'), ['2026-01-01', '2027-01-01'])
  t.same(months('2025-11-28T15:15:00Z', '2026-03-01T00:00:00Z'), ['2025-12-01', '2026-03-01'])
  t.equal(months('2026-01-01T00:15:00Z', '2026-02-28T23:45:00Z'), undefined)
  t.same(monthOf(new Date('2026-12-31T23:59:59.999Z'), 1), new Date('2027-01-01T00:00:00Z'))
})
