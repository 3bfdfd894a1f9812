import fc from 'fast-check'
import t from 'tap'
import { awaitsAnswer, DISMISSALS, type DispositionFacts, dispositionOf } from './disposition.ts'

const when = fc.option(fc.constant(new Date('2026-03-02T09:00:00Z')), { freq: 2 })
const facts: fc.Arbitrary<DispositionFacts> = fc.record({
  direction: fc.constant('inbound' as const),
  answered_at: when,
  spam_at: when,
  dismissed_as: fc.option(fc.constantFrom(...DISMISSALS), { freq: 2 }),
  hidden_at: when,
  liked_at: when,
  deleted_at: when,
  automatic: fc.boolean(),
  from_history: fc.boolean(),
})

t.test('what we say ourselves, and a note, has no disposition', async t => {
  fc.assert(
    fc.property(facts, fc.constantFrom('outbound' as const, 'internal' as const), (message, direction) =>
      t.equal(dispositionOf({ ...message, direction }), null),
    ),
  )
})

t.test('an answer that reached the customer counts before everything else', async () => {
  fc.assert(fc.property(facts, message => dispositionOf({ ...message, answered_at: new Date() }) === 'answered'))
})

t.test('what was done about a message counts in this order: spam, hidden, liked, said to need no reply', async () => {
  const none = { answered_at: null }
  fc.assert(
    fc.property(facts, message => {
      const is = (found: Partial<DispositionFacts>) => dispositionOf({ ...message, ...none, ...found })
      const later = { spam_at: null, dismissed_as: 'no_reply_needed' as const }
      return (
        is({ spam_at: new Date() }) === 'spam' &&
        is({ dismissed_as: 'spam' }) === 'spam' &&
        is({ ...later, hidden_at: new Date() }) === 'hidden' &&
        is({ ...later, hidden_at: null, liked_at: new Date() }) === 'acknowledged' &&
        is({ ...later, hidden_at: null, liked_at: null }) === 'no_reply_needed'
      )
    }),
  )
})

t.test('a message waits for an answer unless somebody answered it, set it aside, or never had to answer', async () => {
  fc.assert(
    fc.property(facts, message => {
      const { answered_at, spam_at, dismissed_as, hidden_at, deleted_at, automatic, from_history } = message
      const done = [answered_at, spam_at, hidden_at, dismissed_as].some(fact => fact !== null)
      const needless = deleted_at !== null || automatic || from_history
      return (
        awaitsAnswer(message) === (!done && !needless) &&
        awaitsAnswer({ ...message, liked_at: null }) === awaitsAnswer(message)
      )
    }),
  )
})
