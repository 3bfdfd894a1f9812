import t from 'tap'
import { localText, localTime } from './local-time.ts'

t.test('what the clocks of a zone show changes when they do', async t => {
  const berlin = localTime('Europe/Berlin')
  const shown = (instant: string) => new Date(berlin.wallAt(Date.parse(instant))).toISOString()
  t.equal(shown('2026-03-29T00:59:59Z'), '2026-03-29T01:59:59.000Z')
  t.equal(shown('2026-03-29T01:00:00Z'), '2026-03-29T03:00:00.000Z')
  t.equal(shown('2026-10-25T00:59:59Z'), '2026-10-25T02:59:59.000Z')
  t.equal(shown('2026-10-25T01:00:00Z'), '2026-10-25T02:00:00.000Z')
})

t.test('an instant is written as the clocks of a zone show it, with their offset', async t => {
  t.equal(localText('Europe/Berlin', new Date('2026-03-30T07:00:00Z')), '2026-03-30T09:00:00+02:00')
  t.equal(localText('Asia/Kathmandu', new Date('2026-03-30T18:30:00.250Z')), '2026-03-31T00:15:00.25+05:45')
})
