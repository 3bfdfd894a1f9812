import t from 'tap'
import { availabilityAt } from './person.ts'

const noon = new Date('2026-03-02T12:00:00Z')
const evening = new Date('2026-03-02T18:00:00Z')

t.test('who said until when they are out of office is available from then on', async t => {
  const away = { availability: 'out_of_office' as const, out_of_office_until: evening }
  t.same(availabilityAt(away, noon), away)
  t.same(availabilityAt(away, evening), { availability: 'available', out_of_office_until: null })
})

t.test('who did not say until when stays out of office, and only they have an end', async t => {
  const away = { availability: 'out_of_office' as const, out_of_office_until: null }
  t.same(availabilityAt(away, evening), away)
  const back = { availability: 'away' as const, out_of_office_until: evening }
  t.same(availabilityAt(back, noon), { availability: 'away', out_of_office_until: null })
})
