import fc from 'fast-check'
import t from 'tap'
import {
  ATTRIBUTE_TYPES,
  type AttributeType,
  type AttributeValue,
  attributeProblem,
  attributeValueOf,
} from './attribute.ts'

const OPTIONS = ['gold', 'silver']
const takes = (type: AttributeType, value: AttributeValue) =>
  attributeProblem({ type, options: type === 'select' ? OPTIONS : null }, value) === undefined

const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
const anyValue = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1_100 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  day.map(date => date.toISOString().slice(0, 10)),
  fc.constantFrom(...OPTIONS, '2027-02-29', '2027-2-3', '0000-01-01', '12', 'true'),
)

t.test('a value is taken when it is of the type, and only then', async () => {
  const isOf: Record<AttributeType, (value: AttributeValue) => boolean> = {
    text: value => typeof value === 'string' && Array.from(value).length <= 1_000,
    number: value => typeof value === 'number',
    boolean: value => value === true || value === false,
    date: value => {
      const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(String(value))?.map(Number) ?? []
      if (!year || !month || !date || month > 12) return false
      const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
      return date <= [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]!
    },
    select: value => OPTIONS.includes(value as string),
  }
  fc.assert(
    fc.property(
      fc.constantFrom(...ATTRIBUTE_TYPES),
      anyValue,
      (type, value) => takes(type, value) === isOf[type](value),
    ),
    { numRuns: 2_000 },
  )
})

t.test('a filter finds every value by the text that it is written as', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...ATTRIBUTE_TYPES), anyValue, (type, value) => {
      fc.pre(takes(type, value))
      return String(attributeValueOf(type, String(value))) === String(value)
    }),
  )
})

t.test('an option that is gone can still be looked for', async t => {
  t.equal(attributeValueOf('select', 'bronze'), 'bronze')
  t.equal(attributeValueOf('boolean', 'constructor'), undefined)
  t.equal(attributeValueOf('number', '1e999'), undefined)
})
