import { parseArgs } from 'node:util'

export const PARTS = [
  'accept',
  'ingest',
  'list',
  'reply',
  'fairness',
  'inbox',
  'next',
  'summary',
  'history',
  'streams',
  'backlog',
  'sla',
] as const
export type Part = (typeof PARTS)[number]

/** They take minutes each, so they run when they are named, and once. */
const LONG: readonly Part[] = ['inbox', 'next', 'summary', 'history', 'streams', 'backlog', 'sla']

/** Where --messages says how many are queued or stored beforehand; of streams, how many are open, of sla, how many clocks run. */
const TRIED: readonly Part[] = ['fairness', ...LONG]

export type Options = {
  parts: Part[]
  runs: number
  /** How many messages are queued or stored beforehand, for a trial; undefined takes as many as docs/benchmarks.md says. */
  messages: number | undefined
  /** Where the ratios go as JSON; undefined writes none. */
  json: string | undefined
  /** A folder for the server's files, which stays; undefined removes them in the end. */
  keep: string | undefined
  help: boolean
}

/** What one run of a part takes on two quiet cores, and what is needed once before the first. */
const SECONDS: Record<Part, number> = {
  accept: 33,
  ingest: 16,
  list: 7,
  reply: 12,
  fairness: 50,
  inbox: 60,
  next: 15,
  summary: 60,
  history: 30,
  streams: 30,
  backlog: 100,
  sla: 90,
}
const SETUP_SECONDS = 20
const FILL_SECONDS: Partial<Record<Part, number>> = {
  ...{ inbox: 420, next: 420, summary: 420, history: 480, streams: 60, sla: 120 },
}

export const HELP = `Measures Parley against its own database: every result is a ratio, taken on one machine in one run.

  npm run bench                      ${PARTS.filter(part => !LONG.includes(part)).join(', ')}: five runs of each
  npm run bench -- --only ingest     one part: these, or ${LONG.join(', ')}, which take minutes and are run once
  npm run bench -- --runs 3          fewer or more runs; a result is the median of them
  npm run bench -- --only history --messages 50000
                                     a trial of ${TRIED.join(', ')} with fewer messages, or idle streams, than the ratio is for
  npm run bench -- --only inbox --keep FOLDER
                                     leaves the database there, so that inbox and next are filled but once
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
      keep: { type: 'string' },
      runs: { type: 'string' },
      messages: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const only = values.only as Part | undefined
  if (only !== undefined && !PARTS.includes(only)) throw new Error(`--only takes one of ${PARTS.join(', ')}`)
  const runs = values.runs ?? (only && LONG.includes(only) ? '1' : '5')
  if (!/^[1-9]\d?$/.test(runs)) throw new Error('--runs takes a whole number from 1 to 99')
  if (values.messages !== undefined) {
    if (!only || !TRIED.includes(only)) throw new Error(`--messages goes with --only ${TRIED.join(' or ')}`)
    if (!/^[1-9]\d{3,7}$/.test(values.messages))
      throw new Error('--messages takes a whole number from 1000 to 99999999')
  }
  return {
    parts: only === undefined ? PARTS.filter(part => !LONG.includes(part)) : [only],
    runs: Number(runs),
    messages: values.messages === undefined ? undefined : Number(values.messages),
    json: values.json,
    keep: values.keep,
    help: values.help,
  }
}

/** How long a benchmark will take, for people who wait for it. The warm-up counts as one more run. */
export function estimateSeconds({ parts, runs }: Pick<Options, 'parts' | 'runs'>): number {
  const seconds = parts.map(part => (FILL_SECONDS[part] ?? 0) + SECONDS[part] * (runs + 0.5))
  return seconds.reduce((total, part) => total + part, SETUP_SECONDS)
}
