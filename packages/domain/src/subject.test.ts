import t from 'tap'
import { comparableSubject, hasReplyPrefix, normaliseSubject } from './subject.ts'

t.test('what answering and forwarding put before a subject is taken off, however often', async t => {
  for (const subject of [
    'Order 4711 is late',
    'Re: Order 4711 is late',
    'RE: AW: Fwd:  order 4711   is late ',
    '[External] Re[2]: Order 4711 is late',
    'Sv: [Ticket #99] WG: Order 4711 is late',
    'Re： Order 4711 is late',
  ])
    t.equal(normaliseSubject(subject), 'order 4711 is late', subject)
  t.equal(normaliseSubject('Reference: 12'), 'reference: 12', 'a word that begins like one is none')
  t.equal(normaliseSubject(`${'Re: '.repeat(100_000)}x`), '', 'in a bounded time')
})

t.test('a subject says whether it answers something', async t => {
  for (const subject of ['Re: x', 'AW: x', '[External] re: x', 'Antw: x']) t.ok(hasReplyPrefix(subject), subject)
  for (const subject of ['x', 'x re: y', '', '[External] x', 'Reply: x']) t.notOk(hasReplyPrefix(subject), subject)
})

t.test('common subjects are not compared', async t => {
  for (const subject of ['', 'Re:', 'Hello!', 'RE: Question', '(no subject)', 'Frage?', null])
    t.equal(comparableSubject(subject), null, String(subject))
  t.equal(comparableSubject('Re: My kettle leaks'), 'my kettle leaks')
})
