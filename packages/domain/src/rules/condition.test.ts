import fc from 'fast-check'
import t from 'tap'
import { judge, type RuleCondition, type RuleFacts } from './condition.ts'

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
  text: 'Où est MON café-crème ?',
  first_message: true,
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
