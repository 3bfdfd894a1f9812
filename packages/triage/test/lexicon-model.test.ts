import { MESSAGE_CONTENTS, SENTIMENTS, type Span, TRIAGE_LENGTH, wordsAt } from '@parley/domain'
import fc from 'fast-check'
import t from 'tap'
import { lexiconModel } from '../src/index.ts'
import { type Judged, OTHER_SCRIPTS, SAMPLE, UNSEEN, UNTELLABLE } from './sample.ts'

const assess = (text: string, language: string | null = null) => lexiconModel.assess(text, { language })

/** Of so many texts, how many are judged as a person judged them; of those judged the other way round, how many. */
function rightsOf(sample: Judged[]) {
  const rights = { language: 0, question: 0, sentiment: 0, complaints_right: 0, complaints_said: 0, complaints: 0 }
  for (const { text, ...judged } of sample) {
    const said = assess(text)
    if (said.language === judged.language) rights.language += 1
    if (said.question === judged.question) rights.question += 1
    if (said.sentiment === judged.sentiment) rights.sentiment += 1
    if (judged.sentiment === 'complaint') rights.complaints += 1
    if (said.sentiment === 'complaint') rights.complaints_said += 1
    if (said.sentiment === 'complaint' && judged.sentiment === 'complaint') rights.complaints_right += 1
  }
  return rights
}

t.test('short texts in eight languages are judged as the page about triage says', async t => {
  const known = rightsOf(SAMPLE)
  t.comment(JSON.stringify(known))
  t.ok(known.language >= 111 && known.question >= 112 && known.sentiment >= 110, JSON.stringify(known))
  const unseen = rightsOf(UNSEEN)
  t.comment(JSON.stringify(unseen))
  t.ok(unseen.language >= 64 && unseen.question >= 61 && unseen.sentiment >= 25, JSON.stringify(unseen))
  t.equal(unseen.complaints_right, unseen.complaints_said, 'what is called a complaint is one')
})

t.test('no language is guessed: a text is of the language it is said to be, or of none', async t => {
  for (const { language, question, text } of OTHER_SCRIPTS) {
    const said = assess(text)
    t.ok([language, null].includes(said.language), `${text}: ${said.language}`)
    t.equal(said.question, question, text)
  }
  for (const text of UNTELLABLE) t.equal(assess(text).language, null, text)
  for (const mixed of ['Hello, ¿dónde está mi pedido? please help me', 'Danke für alles, you guys are the best'])
    t.equal(assess(mixed).language, null, mixed)
})

t.test('the words that made it so are pointed at', async t => {
  const words = (text: string, spans: (said: ReturnType<typeof assess>) => Span[]) => wordsAt(text, spans(assess(text)))
  const complaint = 'My parcel arrived broken. Never again! Do you care'
  t.same(
    words(complaint, said => said.sentiment_spans),
    ['broken', 'Never again'],
  )
  t.same(
    words(complaint, said => said.question_spans),
    ['Do'],
  )
  t.same(
    words('@anna love it 😍😍', said => said.sentiment_spans),
    ['love', '😍', '😍'],
  )
})

t.test('a negation turns a word around, within its clause', async t => {
  t.equal(assess('not good at all', 'en').sentiment, 'complaint')
  t.equal(assess('no problem, good', 'en').sentiment, 'praise')
  t.equal(assess('Das ist nicht gut', 'de').sentiment, 'complaint')
  t.equal(assess('Gefällt mir gar nicht', 'de-AT').sentiment, 'complaint')
  t.equal(assess("ce n'est pas bon", 'fr').sentiment, 'complaint')
  t.equal(assess('non è male', 'it').sentiment === 'complaint', false)
})

t.test('what is good in every language counts where the language cannot be told', async t => {
  for (const text of ['Merci!', 'Super!', 'wow', 'Danke :)', '❤️', '<3', '👏🏿'])
    t.equal(assess(text).sentiment, 'praise', text)
  for (const text of ['😡', ':(', 'broken', 'kaputt', 'Pésimo'.toLowerCase()])
    t.not(assess(text).sentiment, 'praise', text)
})

t.test('a complaint among thanks is a complaint, and an exclamation no question', async t => {
  t.equal(assess('Thanks, but it arrived broken and I want a refund').sentiment, 'complaint')
  t.equal(assess('What a wonderful day this was for all of us!').question, false)
  t.equal(assess('Wie schön ist das denn bitte geworden!').question, false)
  t.equal(assess('Look at https://shop.example/?page=2 it is on that page').question, false)
})

/** Anything somebody might send, and what is made to take long. */
const texts = () =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc
      .array(
        fc.constantFrom(
          'not',
          'good',
          '@',
          '#',
          'a.b',
          '😍',
          '\u200d',
          '\ud83d',
          '?',
          ' ',
          '\n',
          ':)',
          'nie',
          'wieder',
          '٣',
          "'",
          '-',
        ),
      )
      .map(parts => parts.join('')),
  )

t.test('any text is judged, the same way each time, and every span lies in it', async () => {
  fc.assert(
    fc.property(texts(), fc.option(fc.constantFrom('en', 'de-AT', 'pl', 'xx', 'toString', '')), (text, language) => {
      const said = assess(text, language)
      const inText = ([at, length]: Span) => at >= 0 && length > 0 && at + length <= text.length
      return (
        MESSAGE_CONTENTS.includes(said.content) &&
        SENTIMENTS.includes(said.sentiment) &&
        Math.abs(said.score) <= 1 &&
        [...said.question_spans, ...said.sentiment_spans].every(inText) &&
        JSON.stringify(said) === JSON.stringify(assess(text, language))
      )
    }),
  )
})

t.test('who is addressed, tagged or linked changes nothing that is said', async () => {
  const judged = fc.constantFrom(...SAMPLE, ...UNSEEN)
  const names = fc.constantFrom(
    '@anna',
    '@shop@social.example',
    '#fail',
    '#love',
    'https://a.example/great?bad=1',
    'bad@shop.example',
  )
  fc.assert(
    fc.property(judged, fc.array(names, { minLength: 1, maxLength: 4 }), ({ text }, added) => {
      const { question_spans: _, sentiment_spans: __, ...said } = assess(text)
      const { question_spans: ___, sentiment_spans: ____, ...more } = assess(`${text} ${added.join(' ')}`)
      return JSON.stringify(said) === JSON.stringify(more)
    }),
  )
})

t.test('a megabyte of anything takes no longer than its beginning', async t => {
  const units = [
    'a',
    ' ',
    '@',
    '#a',
    '😍',
    '\u200d',
    'good ',
    'not ',
    '?',
    'a.',
    '@a.',
    'https://',
    '-',
    "'",
    ':)',
    '\u0301',
    '1\ufe0f\u20e3',
    '(',
    'aé',
  ]
  /** The least time of some tries, in ms: of more of them while it is above `enough`, as others are at work here, too. */
  const fastest = (text: string, enough = 0) => {
    let least = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 3 || (enough > 0 && least >= enough && tries < 30); tries += 1) {
      const before = process.hrtime.bigint()
      assess(text)
      least = Math.min(least, Number(process.hrtime.bigint() - before) / 1e6)
    }
    return least
  }
  for (const unit of units) {
    const of = (length: number) => unit.repeat(Math.ceil(length / unit.length))
    // Twice the text, twice the time; four times leaves room for whoever else is at work.
    const half = fastest(of(4_000))
    const whole = fastest(of(8_000), half * 4 + 5)
    t.ok(whole < half * 4 + 5, `${JSON.stringify(unit)}: ${half.toFixed(2)} and ${whole.toFixed(2)} ms`)
    const megabyte = of(1024 * 1024)
    t.ok(fastest(megabyte, whole * 4 + 5) < whole * 4 + 5, `${JSON.stringify(unit)}: a megabyte`)
    t.same(assess(megabyte), assess(megabyte.slice(0, TRIAGE_LENGTH)), `${JSON.stringify(unit)}: what is said of it`)
  }
})
