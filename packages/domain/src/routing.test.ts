import t from 'tap'
import { type Candidate, chooseOwner, explainDecision, MANUAL } from './routing.ts'

const NOW = new Date('2026-03-02T09:00:00Z')
const NOTHING = { tags: [], language: null, last_answered_by: null }
const person = (id: string, fields: Partial<Candidate> = {}): Candidate => ({
  id,
  availability: 'available',
  out_of_office_until: null,
  skills: [],
  languages: [],
  capacity: null,
  load: 0,
  turn: 0,
  ...fields,
})
const least = { ...MANUAL, mode: 'least_loaded' as const }

t.test('whoever answered a customer last gets them again while they can take it', async t => {
  const routing = { ...least, returning_customer: true }
  const wanted = { ...NOTHING, last_answered_by: 'b' }
  const known = chooseOwner(routing, [person('a'), person('b', { load: 5 })], wanted, NOW)!
  t.match(known, { user_id: 'b', rule: 'returning_customer' })
  t.equal(explainDecision(known), 'You answered this customer last.')
  const full = chooseOwner(routing, [person('a'), person('b', { load: 5, capacity: 5 })], wanted, NOW)!
  t.match(full, { user_id: 'a', considered: [{ excluded: null }, { excluded: 'at_capacity' }] })
  t.equal(explainDecision(full), 'You were the only one who could take it.')
})

t.test('a decision says what spoke for somebody', async t => {
  const people = [person('a', { load: 4 }), person('b', { load: 3 }), person('c', { availability: 'away' })]
  const fewest = chooseOwner(least, people, NOTHING, NOW)!
  t.equal(explainDecision(fewest), 'You had the fewest conversations (3) of the 2 people who could take it.')
  const turns = [person('a', { turn: 4 }), person('b', { turn: 3 })]
  const next = chooseOwner({ ...MANUAL, mode: 'round_robin' }, turns, NOTHING, NOW)!
  t.equal(next.user_id, 'b')
  t.equal(explainDecision(next), 'It was your turn among the 2 people who could take it.')
})

t.test('nobody is chosen where nobody is there', async t => {
  t.equal(chooseOwner(least, [], NOTHING, NOW), undefined)
  t.equal(chooseOwner(least, [person('a', { availability: 'out_of_office' })], NOTHING, NOW), undefined)
})
