import { test } from 'tap'
import { AUTHOR_TYPES, countGraphemes, isHumanAuthor } from './message.ts'

test("only a person's answer ends a wait", async t => {
  t.same(AUTHOR_TYPES.filter(isHumanAuthor), ['user', 'native'])
})

test('a reply is as long as a reader sees it', async t => {
  const lengths: [string, number][] = [
    ['', 0],
    ['Hello', 5],
    ['caf\u00e9', 4],
    ['cafe\u0301', 4],
    ['\u{1f44b}\u{1f3fd}', 1],
    ['\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}', 1],
    ['\u{1f1e9}\u{1f1ea}\u{1f1eb}\u{1f1f7}', 2],
    ['\r\n', 1],
    ['\n\n', 2],
    ['\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd', 4],
    ['\ud800', 1],
    ['a\u0000b', 3],
  ]
  for (const [text, length] of lengths) t.equal(countGraphemes(text), length, JSON.stringify(text))
})

test('the longest reply that can come in is counted at once', async t => {
  const text = '\u{1f44b}\u{1f3fd}'.repeat(8_192)
  const start = performance.now()
  t.equal(countGraphemes(text), 8_192)
  t.ok(performance.now() - start < 1_000)
  // Anything that takes the square of the length would outlast the test's time.
  t.equal(countGraphemes('\u{1f44b}\u{1f3fd}'.repeat(500_000)), 500_000)
})
