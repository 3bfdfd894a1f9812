import fc from 'fast-check'
import { test } from 'tap'
import { clockTime } from './wait.ts'

const at = (time: string) => new Date(`2026-03-02T${time}Z`)
const connected = at('08:00:00')
const received = at('09:00:00')

test("a wait begins when the customer's message was said", async t => {
  t.same(clockTime(at('08:30:00'), received, connected), at('08:30:00'))
  t.same(clockTime(received, received, connected), received)
  t.same(clockTime(connected, received, connected), connected)
})

test('nobody waits in the future', async t => {
  t.same(clockTime(at('09:00:00.001'), received, connected), received)
  t.same(clockTime(new Date('9999-12-31T23:59:59Z'), received, connected), received)
})

test('nobody waits on a channel that was not connected yet', async t => {
  t.same(clockTime(at('07:59:59.999'), received, connected), connected)
  t.same(clockTime(new Date(0), received, connected), connected)
})

test('a message received before the channel says it was connected waits from its receipt', async t => {
  t.same(clockTime(at('08:00:00'), received, at('10:00:00')), received)
  t.same(clockTime(at('09:30:00'), received, at('10:00:00')), received)
})

test('a wait begins no later than its receipt, and no earlier than the channel unless that came later', async t => {
  const instants = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  fc.assert(
    fc.property(instants, instants, instants, (occurred_at, received_at, connected_at) => {
      const start = clockTime(occurred_at, received_at, connected_at)
      const earliest = Math.min(connected_at.getTime(), received_at.getTime())
      const believable = occurred_at.getTime() >= earliest && occurred_at <= received_at
      return start <= received_at && start.getTime() >= earliest && (!believable || +start === +occurred_at)
    }),
  )
  t.pass()
})
