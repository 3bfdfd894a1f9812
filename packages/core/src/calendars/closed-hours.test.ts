import t from 'tap'
import { closedHours } from './closed-hours.ts'
import { mergeHolidays } from './merge-holidays.ts'

const at = (text: string) => Date.parse(`${text}Z`)

t.test('hours over several dates are those of each, to the minute that is begun', async t => {
  t.same(closedHours(at('2027-01-04T22:10:30'), at('2027-01-06T00:00:01'), 'Move'), [
    { date: '2027-01-04', name: 'Move', closed_from: '22:10', closed_until: '24:00' },
    { date: '2027-01-05', name: 'Move' },
    { date: '2027-01-06', name: 'Move', closed_from: '00:00', closed_until: '00:01' },
  ])
  t.same(closedHours(at('2027-01-04T00:00'), at('2027-01-05T00:00')), [{ date: '2027-01-04' }])
  t.same(closedHours(at('2027-01-04T00:00'), at('2027-01-04T00:00')), [])
})

t.test('a holiday is added where it closes anything, and none is taken away', async t => {
  const own = [
    { date: '12-24', closed_from: '14:00', closed_until: '24:00' },
    { date: '2027-05-01', name: 'May Day' },
  ]
  const found = [
    { date: '2027-12-24', closed_from: '15:00', closed_until: '24:00' },
    { date: '2027-12-24', closed_from: '13:00', closed_until: '24:00' },
    { date: '2027-05-01', name: 'Tag der Arbeit' },
    { date: '05-01' },
    { date: '2028-05-01' },
    { date: '2028-05-02' },
    { date: '2028-05-02', name: 'again' },
  ]
  const { holidays, added, present } = mergeHolidays(own, found)
  t.same(added, [found[1], found[3], found[5]])
  t.same(present, [found[0], found[2], found[4], found[6]])
  t.same(holidays, [...own, ...added])
})
