import fc from 'fast-check'
import t from 'tap'
import type { Assessment } from './assessment.ts'
import { explainReason, wordsAt } from './explain.ts'
import { messageContent, speechOf } from './message-content.ts'
import { proposeTriage, type RepeatContact } from './proposal.ts'

const contentOf = (text: string) => messageContent(text, speechOf(text))

t.test('nothing but handles, hashtags and links is a mention, nothing but emoji beside them is emoji', async t => {
  for (const text of [
    '@anna',
    '@anna @ben_1',
    '@shop@social.example #sale',
    'https://a.example/x?y=1',
    'www.shop.example',
    'me@shop.example',
    '@анна',
    '#größe …',
  ])
    t.equal(contentOf(text), 'mention_only', text)
  for (const text of ['👍', '👍🏽!!', '👨‍👩‍👧‍👦', '🇩🇪', '1️⃣', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '❤', '❤️‍🔥', '@anna 😂😂', ':)', ':-( <3', '©️', '#️⃣'])
    t.equal(contentOf(text), 'emoji_only', text)
  for (const text of [
    'ok 👍',
    '',
    '   ',
    '!!!',
    '?',
    '10',
    '©',
    '™',
    'a',
    '@anna schau',
    ':)x',
    'mail: me@shop.example',
    '愛❤️',
  ])
    t.equal(contentOf(text), 'text', text)
})

t.test('what is left of a text stands where it stood', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const speech = speechOf(text)
      return (
        speech.length === text.length && [...speech].every(character => character === ' ' || text.includes(character))
      )
    }),
  )
})

const nothing: Assessment = {
  content: 'text',
  language: null,
  question: false,
  question_spans: [],
  sentiment: 'neutral',
  score: 0,
  sentiment_spans: [],
}
const once: RepeatContact = { unanswered_24h: 1, unanswered_7d: 1, conversations_7d: 1 }
const seen = { public: true, has_attachments: false }
const propose = (fields: Partial<Assessment>, repeat = once, circumstances = seen) => {
  const { reasons, ...proposal } = proposeTriage({ ...nothing, ...fields }, repeat, circumstances)
  return { ...proposal, codes: reasons.map(({ code }) => code) }
}

t.test('complaints, questions and who writes again come first, praise and emoji last', async t => {
  const rows: [Partial<Assessment>, RepeatContact, number, string, string | null][] = [
    [{}, once, 50, 'normal', null],
    [{ question: true }, once, 60, 'normal', null],
    [{ sentiment: 'complaint' }, once, 70, 'high', null],
    [{ sentiment: 'complaint', question: true }, once, 80, 'high', null],
    [{ sentiment: 'complaint', question: true }, { ...once, unanswered_7d: 2 }, 90, 'urgent', null],
    [{}, { unanswered_24h: 1, unanswered_7d: 9, conversations_7d: 4 }, 80, 'high', null],
    [{}, { unanswered_24h: 0, unanswered_7d: 0, conversations_7d: 4 }, 50, 'normal', null],
    [{ sentiment: 'praise' }, once, 30, 'low', 'acknowledged'],
    [{ sentiment: 'praise', question: true }, once, 40, 'normal', null],
    [{ sentiment: 'praise', content: 'emoji_only' }, once, 10, 'low', 'acknowledged'],
    [{ content: 'emoji_only' }, once, 30, 'low', 'acknowledged'],
    [{ sentiment: 'complaint', content: 'emoji_only' }, once, 50, 'normal', null],
    [{ content: 'mention_only' }, once, 10, 'low', 'no_reply_needed'],
  ]
  for (const [fields, repeat, rank, proposed_priority, proposed_disposition] of rows)
    t.match(
      propose(fields, repeat),
      { rank, proposed_priority, proposed_disposition },
      JSON.stringify([fields, repeat]),
    )
})

t.test(
  'nobody is told that a message needs no answer when it asks, complains, brings a file or only a link in private',
  async t => {
    const links = { content: 'mention_only' as const }
    t.equal(propose(links, once, { public: false, has_attachments: false }).proposed_disposition, null)
    t.equal(propose(links, once, { public: true, has_attachments: true }).proposed_disposition, null)
    const any = fc.record({
      content: fc.constantFrom('text', 'mention_only', 'emoji_only'),
      question: fc.boolean(),
      sentiment: fc.constantFrom('complaint', 'praise', 'neutral'),
    }) as fc.Arbitrary<Partial<Assessment>>
    const counts = fc.nat({ max: 60 })
    const repeats = fc.record({ unanswered_24h: counts, unanswered_7d: counts, conversations_7d: counts })
    fc.assert(
      fc.property(any, repeats, fc.boolean(), fc.boolean(), (fields, repeat, isPublic, has_attachments) => {
        const proposal = propose(fields, repeat, { public: isPublic, has_attachments })
        const closes = proposal.proposed_disposition !== null
        const says = fields.question || fields.sentiment === 'complaint' || has_attachments
        return proposal.rank >= 0 && proposal.rank <= 100 && !(closes && says)
      }),
    )
  },
)

t.test('a reason is told in words, with those of the message', async t => {
  const text = 'It arrived broken, never again'
  const reason = {
    code: 'complaint' as const,
    points: 20,
    spans: [
      [11, 6],
      [19, 11],
      [400, 3],
    ] as const,
  }
  const words = wordsAt(text, reason.spans)
  t.equal(explainReason({ ...reason, spans: [...reason.spans] }, words, once), 'Complaint: "broken", "never again"')
  t.equal(explainReason({ code: 'complaint', points: 20, spans: [] }, [], once), 'Complaint')
  const again = { code: 'repeat_contact' as const, points: 20, spans: [] }
  const told = (repeat: RepeatContact) => explainReason(again, [], repeat)
  t.equal(
    told({ unanswered_24h: 3, unanswered_7d: 4, conversations_7d: 1 }),
    'Writes again: 3 messages in 24 hours without an answer',
  )
  t.equal(
    told({ unanswered_24h: 1, unanswered_7d: 4, conversations_7d: 2 }),
    'Writes again: 4 messages in 7 days without an answer, 2 conversations in 7 days',
  )
  t.equal(told({ unanswered_24h: 1, unanswered_7d: 1, conversations_7d: 2 }), 'Writes again: 2 conversations in 7 days')
})
