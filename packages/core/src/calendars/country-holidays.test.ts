import t from 'tap'
import { listCountryHolidays } from './country-holidays.ts'
import { holidaysOfCountry } from './holiday-sources.ts'

const days = async (country: string, year: number, more: object = {}) =>
  (await listCountryHolidays({ country, types: ['public'], ...more }, year)).map(({ holiday, substitute }) =>
    [
      holiday.date,
      holiday.closed_from ? `${holiday.closed_from}-${holiday.closed_until}` : '',
      holiday.name,
      substitute ? '(instead)' : '',
    ]
      .filter(Boolean)
      .join(' '),
  )

t.test('a region has holidays of its own, in the language that is asked for', async t => {
  t.same(await days('DE', 2027, { region: 'BE', language: 'de-AT' }), [
    '2027-01-01 Neujahr',
    '2027-03-08 Internationaler Frauentag',
    '2027-03-26 Karfreitag',
    '2027-03-29 Ostermontag',
    '2027-05-01 Maifeiertag',
    '2027-05-06 Christi Himmelfahrt',
    '2027-05-17 Pfingstmontag',
    '2027-10-03 Tag der Deutschen Einheit',
    '2027-12-25 1. Weihnachtstag',
    '2027-12-26 2. Weihnachtstag',
  ])
  const bavaria = await days('de', 2027, { region: 'by', language: 'en' })
  t.ok(bavaria.includes('2027-01-06 Epiphany'))
  t.notOk(bavaria.some(day => day.startsWith('2027-08-08')))
  t.ok((await days('DE', 2027, { region: 'BY-A', language: 'en' })).some(day => day.startsWith('2027-08-08')))
})

t.test('a day that is given for one at the weekend is among them', async t => {
  const british = await days('GB', 2027)
  t.ok(british.includes('2027-12-27 Christmas Day (substitute day) (instead)'))
})

t.test(
  'holidays of some hours, of several days and of those that begin at sunset are dates of their place',
  async t => {
    t.ok((await days('IS', 2027)).some(day => day.startsWith('2027-12-24 13:00-24:00')))
    const fitr = (await days('EG', 2026, { language: 'en' })).filter(day => day.includes('al-Fitr'))
    t.same(
      fitr.map(day => day.slice(0, 10)),
      ['2026-03-20', '2026-03-21', '2026-03-22'],
    )
    t.ok((await days('IL', 2026, { language: 'en' })).includes('2026-09-21 Day of Atonement (Yom Kippur)'))
  },
)

t.test('only the types that are asked for are listed', async t => {
  const holidays = await listCountryHolidays({ country: 'JP', types: ['bank'], language: 'en' }, 2026)
  t.same([...new Set(holidays.map(({ type }) => type))], ['bank'])
  t.ok(holidays.length > 0)
})

t.test('a country or a region that is not known is refused with those that are', async t => {
  const refused = (country: string, region?: string) =>
    listCountryHolidays({ country, region, types: ['public'] }, 2027)
  await t.rejects(refused('XX'), {
    code: 'validation_failed',
    message: /of XX; known are AD, AE, /,
    details: { known: { DE: 'Deutschland' } },
  })
  await t.rejects(refused('DE', 'XX'), { message: /of XX in DE; known are BB, BE, / })
  await t.rejects(refused('DE', 'BY-XX'), { message: /of BY-XX in DE; known are A, EVANG, KATH\./ })
  await t.rejects(refused('DE', 'BY-A-B'), { message: /of BY-A-B in DE/ })
  await t.rejects(refused('VA', 'XX'), { message: /none is known/ })
})

t.test('several years are one list, each year once', async t => {
  const { holidaysIn } = await holidaysOfCountry({ country: 'DE', years: [2028, 2027, 2028], types: ['public'] })
  const dates = holidaysIn('UTC').map(({ date }) => date)
  t.same(dates, [...new Set(dates)].sort())
  t.same([dates.at(0), dates.at(-1)], ['2027-01-01', '2028-12-26'])
})
