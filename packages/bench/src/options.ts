import { parseArgs } from 'node:util'

export const PARTS = ['accept', 'ingest', 'list'] as const
export type Part = (typeof PARTS)[number]

export type Options = {
  parts: Part[]
  runs: number
  /** Where the ratios go as JSON; undefined writes none. */
  json: string | undefined
  help: boolean
}

/** What one run of a part takes on two quiet cores, and what is needed once before the first. */
const SECONDS: Record<Part, number> = { accept: 33, ingest: 16, list: 7 }
const SETUP_SECONDS = 20

export const HELP = `Measures Parley against its own database: every result is a ratio, taken on one machine in one run.

  npm run bench                      everything, five runs of each
  npm run bench -- --only ingest     one part: ${PARTS.join(', ')}
  npm run bench -- --runs 3          fewer or more runs; a result is the median of them
  npm run bench -- --json FILE       writes the ratios to FILE as well

Progress goes to stderr, the table to stdout. Exits 0 when it could measure, whether or not the bars are met.
The references are pgbench (Debian, Ubuntu: apt-get install postgresql; macOS: brew install libpq) and SQL through pg.
docs/benchmarks.md says what each ratio means.
`

/** @throws with a sentence for a person */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      json: { type: 'string' },
      runs: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.only !== undefined && !PARTS.includes(values.only as Part)) {
    throw new Error(`--only takes one of ${PARTS.join(', ')}`)
  }
  if (!/^[1-9]\d?$/.test(values.runs)) throw new Error('--runs takes a whole number from 1 to 99')
  return {
    parts: values.only === undefined ? [...PARTS] : [values.only as Part],
    runs: Number(values.runs),
    json: values.json,
    help: values.help,
  }
}

/** How long a benchmark will take, for people who wait for it. The warm-up counts as one more run. */
export function estimateSeconds({ parts, runs }: Pick<Options, 'parts' | 'runs'>): number {
  return parts.reduce((total, part) => total + SECONDS[part] * (runs + 0.5), SETUP_SECONDS)
}
