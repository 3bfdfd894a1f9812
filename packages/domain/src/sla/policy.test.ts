import fc from 'fast-check'
import { test } from 'tap'
import {
  choosePolicy,
  everyTarget,
  mentionedFields,
  type PolicyCondition,
  type PolicyFacts,
  targetSeconds,
} from './policy.ts'

const FACTS: PolicyFacts = {
  inbox_id: 'inbox',
  channel_id: 'channel',
  channel_kind: 'mastodon',
  priority: 'normal',
  team_id: null,
  language: 'pt-BR',
  tags: ['gold'],
}

test('the first policy whose conditions hold promises, and where none does the one that the inbox names', async t => {
  const policies = [
    { policy_id: 'urgent', conditions: { priority: ['urgent'] } as PolicyCondition },
    { policy_id: 'gold', conditions: { tag: ['Gold'] } },
    { policy_id: 'portuguese', conditions: { language: ['pt'] } },
    { policy_id: 'named', conditions: null },
    { policy_id: 'other', conditions: null },
  ]
  const chosen = (facts: Partial<PolicyFacts>, named: string | null = 'named') =>
    choosePolicy(policies, { ...FACTS, ...facts }, named)?.policy_id
  t.equal(chosen({}), 'gold')
  t.equal(chosen({ priority: 'urgent' }), 'urgent')
  t.equal(chosen({ tags: [] }), 'portuguese')
  t.equal(chosen({ tags: [], language: null }), 'named')
  t.equal(chosen({ tags: [], language: null }, null), undefined)
  const everybody = [{ policy_id: 'all', conditions: {} }, ...policies]
  t.equal(choosePolicy(everybody, FACTS, 'named')?.policy_id, 'all', 'an empty condition always holds')
})

test('a policy that comes later changes nothing for whom an earlier one promises', async () => {
  const condition = fc.constantFrom<PolicyCondition | null>({}, { tag: ['gold'] }, { priority: ['low'] }, null)
  const policies = fc.array(condition, { maxLength: 6 })
  fc.assert(
    fc.property(policies, condition, (conditions, more) => {
      const list = conditions.map((one, index) => ({ policy_id: `p-${index}`, conditions: one }))
      const before = choosePolicy(list, FACTS, null)
      const after = choosePolicy([...list, { policy_id: 'more', conditions: more }], FACTS, null)
      return before === undefined || before === after
    }),
  )
})

test('a condition mentions what it looks at, at any depth', async t => {
  const condition = { inbox_id: ['a'], any: [{ tag: ['b'] }, { not: { all: [{ priority: ['low' as const] }] } }] }
  t.same([...mentionedFields(condition)].sort(), ['inbox_id', 'priority', 'tag'])
  t.equal(mentionedFields({}).size, 0)
})

test('a priority has the target that is given for it, or that of all', async t => {
  const target = { seconds: 3600, by_priority: { urgent: 600 } }
  t.equal(targetSeconds(target, 'urgent'), 600)
  t.equal(targetSeconds(target, 'low'), 3600)
  t.same(
    everyTarget({ first_response: target, resolution: { seconds: 7200 }, assignment: undefined }),
    [3600, 600, 7200],
  )
})
