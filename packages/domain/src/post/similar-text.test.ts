import fc from 'fast-check'
import t from 'tap'
import { similarText } from './similar-text.ts'

t.test('texts that differ in case, spaces, punctuation and emoji alone are alike', async t => {
  const alike = ['Where is my order?', 'where is   my order', 'WHERE IS MY ORDER!!! 😡😡', 'where-is-my-order…']
  for (const text of alike) t.equal(similarText(text), similarText(alike[0]!), text)
  t.equal(similarText('Ｇｒｏ\u0308ße'), similarText('gröẞe'))
})

t.test('texts that say something else are not', async t => {
  t.not(similarText('Order 17'), similarText('Order 71'))
  t.not(similarText('I love it'), similarText('I hate it'))
  t.not(similarText('नमस्ते'), similarText('नमस्ता'))
})

t.test('marks alone are alike however many there are, and not when they are others', async t => {
  t.equal(similarText('❤️❤️❤️'), similarText('❤'))
  t.equal(similarText('👍🏽 👍'), similarText('👍'))
  t.not(similarText('😡'), similarText('❤️'))
  t.equal(similarText(''), '')
})

t.test('any text is like itself with more spaces and exclamation marks', async () => {
  const check = (text: string) => similarText(` ${text}  !`) === similarText(`${text}!`)
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), check))
})
