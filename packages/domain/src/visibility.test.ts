import fc from 'fast-check'
import { test } from 'tap'
import { isWider, VISIBILITIES, visibilityOfAnswer } from './visibility.ts'

const visibility = fc.constantFrom(...VISIBILITIES)
const offers = fc.subarray([...VISIBILITIES])

test('of two different visibilities one is wider, and public is the widest', async t => {
  for (const one of VISIBILITIES) {
    t.notOk(isWider(one, one), one)
    for (const other of VISIBILITIES) {
      if (one !== other) t.equal(isWider(one, other), !isWider(other, one), `${one} ${other}`)
    }
    if (one !== 'public') t.ok(isWider('public', one), one)
    if (one !== 'private') t.ok(isWider(one, 'private'), one)
  }
})

test('an answer never reaches more people than what it answers', async () => {
  fc.assert(
    fc.property(visibility, offers, (parent, offered) => {
      const answer = visibilityOfAnswer(parent, offered)
      return answer === undefined || (offered.includes(answer) && !isWider(answer, parent))
    }),
  )
})

test('an answer is as wide as it may be', async t => {
  fc.assert(
    fc.property(visibility, offers, (parent, offered) => {
      const answer = visibilityOfAnswer(parent, offered)
      return offered.every(other => isWider(other, parent) || (answer !== undefined && !isWider(other, answer)))
    }),
  )
  t.equal(visibilityOfAnswer('unlisted', ['public', 'private']), 'private')
  t.equal(visibilityOfAnswer('private', ['public', 'unlisted']), undefined)
})
