import t from 'tap'
import { estimateSeconds, readOptions } from './options.ts'
import { judge, median, percentile, type Results, toJson, toTable } from './report.ts'

const results: Results = {
  samples: { ingest_vs_bare_sql: [0.7, 0.4, 0.6], list_p50_vs_sql: [2.5], list_p50_vs_roundtrip: [20, 30] },
  notRun: { ingest_vs_pgbench: 'needs pgbench: apt-get install postgresql' },
  figures: [{ name: 'pgbench', unit: 'transactions/s', values: [2712.4] }],
}

t.test('the median is the middle value, or the mean of the middle two', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(median([100, 9, 10]), 10, 'as numbers, not as text')
  t.throws(() => median([]), RangeError)
})

t.test('a percentile is a value that was measured', async t => {
  const values = Array.from({ length: 200 }, (_, index) => index + 1)
  t.equal(percentile(values, 0.99), 198)
  t.equal(percentile([7], 0.99), 7)
})

t.test('the median meets a bar when it reaches it, from above or from below', async t => {
  t.equal(judge({ bar: 3, better: 'higher' }, [2, 3, 9]).ok, true)
  t.equal(judge({ bar: 3, better: 'higher' }, [2.9, 2, 9]).ok, false)
  t.equal(judge({ bar: 2, better: 'lower' }, [2, 1, 9]).ok, true)
  t.equal(judge({ bar: 2, better: 'lower' }, [2.1]).ok, false)
  t.equal(judge({ bar: null, better: 'lower' }, [1000]).ok, true)
})

t.test('a ratio that was not run is not ok, whatever its bar', async t => {
  const expected = { value: null, bar: null, ok: false, min: null, max: null, runs: 0 }
  t.same(judge({ bar: null, better: 'higher' }, []), expected)
})

t.test('the JSON holds exactly the ratios that were asked for', async t => {
  t.same(toJson(results), {
    ratios: {
      ingest_vs_pgbench: { value: null, bar: 3, ok: false, min: null, max: null, runs: 0 },
      ingest_vs_bare_sql: { value: 0.6, bar: 0.5, ok: true, min: 0.4, max: 0.7, runs: 3 },
      list_p50_vs_sql: { value: 2.5, bar: 2, ok: false, min: 2.5, max: 2.5, runs: 1 },
      list_p50_vs_roundtrip: { value: 25, bar: null, ok: true, min: 20, max: 30, runs: 2 },
    },
  })
})

t.test('the table says which way a bar points, and what to install for a ratio that was not run', async t => {
  const table = toTable(results)
  t.match(table, /ingest_vs_bare_sql +0\.6 +0\.4 – 0\.7 +at least 0\.5 +ok/)
  t.match(table, /list_p50_vs_sql +2\.5 +2\.5 – 2\.5 +at most 2 +NOT OK/)
  t.match(table, /ingest_vs_pgbench +not run +at least 3 +NOT OK +needs pgbench: apt-get install/)
  t.match(table, /pgbench +2712 +2712 – 2712 +transactions\/s/)
})

t.test('options that make no sense are refused with a sentence', async t => {
  t.same(readOptions(['--only', 'list', '--runs', '3']).parts, ['list'])
  t.throws(() => readOptions(['--only', 'everything']), /accept, ingest, list/)
  t.throws(() => readOptions(['--runs', '0']), /whole number/)
  t.throws(() => readOptions(['--messages', '5000']), /goes with --only fairness/)
  t.throws(() => readOptions(['--only', 'history', '--messages', 'many']), /whole number/)
  t.ok(estimateSeconds({ parts: ['list'], runs: 2 }) < estimateSeconds({ parts: ['accept'], runs: 2 }))
})

t.test('parts that take minutes run once, and only when they are named', async t => {
  t.same(readOptions([]).parts, ['accept', 'ingest', 'list', 'reply', 'fairness'])
  t.equal(readOptions([]).runs, 5)
  t.same(readOptions(['--only', 'history', '--messages', '50000']), {
    parts: ['history'],
    runs: 1,
    messages: 50_000,
    json: undefined,
    help: false,
  })
  t.equal(readOptions(['--only', 'backlog', '--runs', '2']).runs, 2)
})
