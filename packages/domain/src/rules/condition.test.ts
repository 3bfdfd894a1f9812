import fc from 'fast-check'
import t from 'tap'
import { attributeProblem } from '../attribute.ts'
import { type AttributeCondition, attributeConditionProblem } from './attribute-condition.ts'
import { fieldsOf, judge, type RuleCondition, type RuleFacts } from './condition.ts'

const FACTS: RuleFacts = {
  event_type: 'message.received',
  changed: ['status'],
  previous_status: 'resolved',
  inbox_id: 'inbox',
  channel_id: 'channel',
  channel_kind: 'mastodon',
  status: 'open',
  priority: 'normal',
  assignee_id: null,
  team_id: 'team',
  language: 'pt-BR',
  tags: ['late parcel'],
  do_not_contact: false,
  waiting_seconds: 61,
  attributes: { tier: 'gold', vip: true, orders: 3, due: '2026-12-24' },
  contact_attributes: { city: 'Porto' },
  post_id: 'post',
  post_surging: true,
  text: 'Où est MON café-crème ?',
  first_message: true,
  disposition: 'unhandled',
  question: true,
  sentiment: null,
  kind: null,
  proposed_priority: null,
  proposed_disposition: null,
}
const holds = (condition: RuleCondition) => judge(condition, FACTS).holds

const leaf = fc.constantFrom<RuleCondition>(
  { status: ['open'] },
  { status: ['spam', 'resolved'] },
  { assignee_id: ['none'] },
  { team_id: ['none'] },
  { language: ['pt'] },
  { sentiment: ['negative'] },
  { text_contains: ['cafe'] },
  { text_has_words: ['caf'] },
  { waiting_longer_than_seconds: 60 },
  { first_message: false },
  { attributes: { tier: ['gold', 'silver'], vip: true, orders: { at_least: 3, at_most: 10 } } },
  { attributes: { orders: { at_least: 4 } } },
  { attributes: { constructor: 'gold' } },
  { contact_attributes: { city: 'Lisboa' } },
  { post_id: ['post'] },
  { post_surging: false },
  { disposition: ['unhandled'] },
  {},
)
const { condition } = fc.letrec<{ condition: RuleCondition }>(tie => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.record({ all: fc.array(tie('condition'), { maxLength: 4 }) }),
    fc.record({ any: fc.array(tie('condition'), { maxLength: 4 }) }),
    fc.record({ not: tie('condition') }),
  ),
}))

t.test('not not is nothing, and not turns every condition round', async () => {
  fc.assert(fc.property(condition, one => holds({ not: { not: one } }) === holds(one)))
  fc.assert(fc.property(condition, one => holds({ not: one }) !== holds(one)))
})

t.test('the order of all and any makes no difference', async () => {
  const shuffled = fc
    .array(condition, { maxLength: 5 })
    .chain(list => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })))
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      return holds({ all: one }) === holds({ all: other }) && holds({ any: one }) === holds({ any: other })
    }),
  )
})

t.test('all are not any that does not hold', async () => {
  const list = fc.array(condition, { maxLength: 5 })
  fc.assert(fc.property(list, all => holds({ all }) === holds({ not: { any: all.map(not => ({ not })) } })))
})

t.test('what decided is a place in the condition', async () => {
  t.equal(judge({ all: [{ status: ['open'] }, { priority: ['high'] }] }, FACTS).decided_by, '/all/1/priority')
  t.equal(judge({ any: [{ priority: ['high'] }, { status: ['open'] }] }, FACTS).decided_by, '')
  const facts = fc.record({ one: condition })
  fc.assert(
    fc.property(facts, ({ one }) =>
      judge(one, FACTS)
        .decided_by.split('/')
        .every(part => part === '' || part in FIELDS || /^\d+$/.test(part)),
    ),
  )
})
const FIELDS = {
  ...{ all: 1, any: 1, not: 1, status: 1, assignee_id: 1, team_id: 1, language: 1, sentiment: 1, text_contains: 1 },
  ...{ text_has_words: 1, waiting_longer_than_seconds: 1, first_message: 1 },
  ...{ attributes: 1, contact_attributes: 1, tier: 1, vip: 1, orders: 1, constructor: 1, city: 1 },
  ...{ post_id: 1, post_surging: 1, disposition: 1 },
}

t.test('words are found whatever their case and accents, and only whole', async t => {
  t.ok(holds({ text_has_words: ['CAFE creme'] }))
  t.ok(holds({ text_has_words: ['ou'] }))
  t.notOk(holds({ text_has_words: ['caf'] }))
  t.ok(holds({ text_contains: ['caf'] }))
  t.notOk(holds({ text_has_words: ['?'] }), 'no word')
})

t.test('nothing holds of what is not known', async t => {
  t.notOk(holds({ sentiment: ['negative'] }))
  t.notOk(judge({ text_contains: ['a'] }, { ...FACTS, text: null }).holds)
  t.notOk(judge({ question: false }, { ...FACTS, question: null }).holds)
})

const day = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })
const days = day.map(date => date.toISOString().slice(0, 10))
const OPTIONS = ['gold', 'silver', 'bronze']
const typed = fc.constantFrom(
  { type: 'text' as const, options: null, values: fc.string({ minLength: 1 }) },
  { type: 'number' as const, options: null, values: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { type: 'boolean' as const, options: null, values: fc.boolean() },
  { type: 'date' as const, options: null, values: days },
  { type: 'select' as const, options: OPTIONS, values: fc.constantFrom(...OPTIONS) },
)
const value = fc.oneof(fc.string(), fc.double(), fc.boolean(), days, fc.constantFrom(...OPTIONS))
const holdsOf = (wanted: AttributeCondition, attributes: Record<string, unknown>) =>
  judge({ attributes: { a: wanted } }, { ...FACTS, attributes }).holds

t.test(
  'an attribute is one of several values where it is any of them, and none of them where it is not there',
  async t => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), value, (wanted, a) => {
        return holdsOf(wanted, { a }) === wanted.some(one => holdsOf(one, { a }))
      }),
    )
    fc.assert(
      fc.property(fc.oneof(value, fc.array(value), fc.record({ at_least: fc.integer() })), one => !holdsOf(one, {})),
    )
    t.notOk(holdsOf({}, {}))
  },
)

t.test('a range is what lies between its ends, of numbers as of days, and never what has no order', async t => {
  const ordered = fc.oneof(fc.tuple(fc.integer(), fc.integer(), fc.integer()), fc.tuple(days, days, days))
  fc.assert(
    fc.property(ordered, ([at_least, a, at_most]) => {
      const both = holdsOf({ at_least, at_most }, { a })
      return (
        both === (holdsOf({ at_least }, { a }) && holdsOf({ at_most }, { a })) &&
        both === (at_least <= a && a <= at_most)
      )
    }),
  )
  t.notOk(holdsOf({ at_least: 1 }, { a: '2026-12-24' }), 'a number is no day')
  t.notOk(holdsOf({ at_least: 0 }, { a: true }))
})

t.test('a condition is refused where no value of that type can meet it, and otherwise one does', async t => {
  const asked = typed.chain(definition => fc.tuple(fc.constant(definition), fc.array(value, { minLength: 1 })))
  fc.assert(
    fc.property(asked, ([definition, wanted]) => {
      const known = wanted.every(one => attributeProblem(definition, one) === undefined)
      return (attributeConditionProblem(definition, wanted) === undefined) === known
    }),
  )
  const own = typed.chain(definition => fc.tuple(fc.constant(definition), definition.values as fc.Arbitrary<string>))
  fc.assert(
    fc.property(own, ([definition, one]) => {
      const ranges = [{ at_least: one }, { at_most: one }, { at_least: one, at_most: one }]
      const inOrder = ['number', 'date'].includes(definition.type)
      return (
        attributeConditionProblem(definition, one) === undefined &&
        holdsOf(one, { a: one }) &&
        ranges.every(range => (attributeConditionProblem(definition, range) === undefined) === inOrder) &&
        (!inOrder || ranges.every(range => holdsOf(range, { a: one })))
      )
    }),
  )
  const number = { type: 'number' as const, options: null }
  t.match(attributeConditionProblem(number, { at_least: 2, at_most: 1 }), /lies above/)
  t.match(attributeConditionProblem(number, { at_most: '2026-12-24' }), /must be a number/)
  t.match(attributeConditionProblem({ type: 'select', options: OPTIONS }, ['gold', 'tin']), /one of the options/)
})

t.test('what a condition asks for is found wherever it stands in it', async t => {
  const inside: RuleCondition = { post_surging: true, status: undefined }
  t.same([...fieldsOf({ tag: ['a'], all: [{ any: [{ not: inside }] }] })].sort(), ['post_surging', 'tag'])
})
