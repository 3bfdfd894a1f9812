import fc from 'fast-check'
import t from 'tap'
import { type ReplyWindow, replyWindows } from './window.ts'

const hour = (hours: number) => new Date(Date.UTC(2026, 2, 2) + hours * 3_600_000)
const said = (id: string, from: number, until: number) => ({ id, said_at: hour(from), reply_until: hour(until) })
const times = (windows: ReplyWindow[]) =>
  JSON.stringify(windows.map(({ opened_at, closes_at }) => [opened_at, closes_at]))
const window = (message_id: string, from: number, until: number) => ({
  message_id,
  opened_at: hour(from),
  closes_at: hour(until),
})

t.test('what is said within a window makes it longer, what is said after it has closed opens another', async t => {
  t.same(replyWindows([]), [])
  t.same(replyWindows([said('b', 20, 44), said('a', 0, 24)]), [window('a', 0, 44)])
  t.same(replyWindows([said('a', 0, 24), said('b', 25, 49)]), [window('a', 0, 24), window('b', 25, 49)])
  t.same(replyWindows([said('a', 0, 48), said('b', 1, 2)]), [window('a', 0, 48)], 'none becomes shorter')
  t.same(replyWindows([said('a', 0, 24), said('b', 24, 48)]), [window('a', 0, 48)], 'in its very last millisecond')
  t.same(replyWindows([said('a', 5, 5), said('b', 5, 4)]), [], 'too late for any answer')
})

t.test('in any order the same; an answer is possible at a time exactly where some window is open then', async () => {
  const message = fc.record({ from: fc.nat(50), length: fc.nat(10) })
  const property = fc.property(fc.array(message, { maxLength: 8 }), fc.nat(100), fc.nat(60), (given, seed, at) => {
    const messages = given.map(({ from, length }, index) => said(String(index), from, from + length))
    const windows = replyWindows(messages)
    const shuffled = messages.toSorted((a, b) => ((+a.id * 7 + seed) % 11) - ((+b.id * 7 + seed) % 11))
    const open = (all: { from: Date; until: Date }[]) =>
      all.some(({ from, until }) => from <= hour(at) && hour(at) <= until)
    const one = messages.map(({ said_at, reply_until }) => ({ from: said_at, until: reply_until }))
    const meant = open(one.filter(({ from, until }) => from < until))
    return (
      times(replyWindows(shuffled)) === times(windows) &&
      meant === open(windows.map(({ opened_at, closes_at }) => ({ from: opened_at, until: closes_at })))
    )
  })
  fc.assert(property)
})
