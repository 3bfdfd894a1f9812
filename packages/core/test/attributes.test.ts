import { changeConversation, createAttribute } from '@parley/core'
import type { AttributeChanges, AttributeValue } from '@parley/domain'
import fc from 'fast-check'
import t from 'tap'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const KEYS = ['a', 'b', 'constructor']

t.test('changes add up as a merge patch does, and what is found by is what there is', async t => {
  const inbox = await openInbox()
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:01'))
  const { id } = await inbox.only('conversations')
  const now = at('09:01:00')
  for (const key of KEYS) {
    const draft = { key, label: key, applies_to: 'conversation' as const, type: 'text' as const }
    await inbox.run(trx => createAttribute(trx, draft, inbox.agent, now))
  }
  const apply = async (attributes: AttributeChanges) => {
    const { version } = await inbox.only('conversations')
    await inbox.run(trx => changeConversation(trx, id, { attributes }, version, inbox.agent, now))
    return inbox.only('conversations')
  }
  const value = fc.option(fc.constantFrom('x', 'y', 'long '.repeat(60)), { nil: null })
  const patch = fc.dictionary(fc.constantFrom(...KEYS), value, { noNullPrototype: true })
  const model = new Map<string, AttributeValue>()
  const step = async (given: AttributeChanges) => {
    const before = await inbox.only('conversations')
    const after = await apply(given)
    for (const [key, to] of Object.entries(given)) {
      if (to === null) model.delete(key)
      else model.set(key, to)
    }
    t.strictSame(after.attributes, Object.fromEntries(model))
    const same = JSON.stringify(sorted(before.attributes)) === JSON.stringify(sorted(after.attributes))
    t.equal(after.version, before.version + (same ? 0 : 1), 'a version for each change, and for nothing else')
    t.equal((await apply(given)).version, after.version, 'the same once more changes nothing')
    const found = await inbox.run(trx => trx.selectFrom('conversation_attributes').selectAll().execute())
    t.same(found.map(({ key }) => key).sort(), [...model.keys()].sort())
    for (const { key, value_key } of found) t.ok(value_key === model.get(key) || /^sha256:/.test(value_key))
  }
  await fc.assert(
    fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 5 }), async patches => {
      for (const given of patches) await step(given)
    }),
    { numRuns: 20, endOnFailure: true },
  )
})

const sorted = (attributes: unknown) => Object.entries(attributes as object).sort(([a], [b]) => (a < b ? -1 : 1))
