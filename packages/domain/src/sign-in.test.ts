import t from 'tap'
import { ACCOUNT_BACKOFF, ADDRESS_BACKOFF, pauseAfter } from './sign-in.ts'

t.test(
  'the first failures cost nothing, each one after them doubles the pause, and none is longer than a quarter of an hour',
  async t => {
    const pauses = (count: number) =>
      Array.from({ length: count }, (_, failures) => pauseAfter(failures, ACCOUNT_BACKOFF))
    t.same(pauses(12), [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64])
    t.equal(pauseAfter(14, ACCOUNT_BACKOFF), 512)
    t.equal(pauseAfter(15, ACCOUNT_BACKOFF), 900)
    t.equal(pauseAfter(1_000_000, ACCOUNT_BACKOFF), 900)
    t.equal(pauseAfter(29, ADDRESS_BACKOFF), 0)
    t.equal(pauseAfter(30, ADDRESS_BACKOFF), 1)
  },
)
