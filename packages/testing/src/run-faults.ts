import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestServers } from './servers.ts'
import { ROOT, runTap } from './tap.ts'

const FOLDER = 'services/standalone/faults'
/** Of a file, for each seed that its scenarios take. */
const TIMEOUT_SECONDS = 600

const HELP = `Breaks things while messages come in, and checks that none is lost, doubled or wrong.

  npm run test:faults                                  every scenario, with five seeds spread over them
  npm run test:faults -- --only redis-hangs            one scenario, or several: redis-hangs,poison
  npm run test:faults -- --seeds 7 --only redis-hangs  with these seeds: 7,8,9
  npm run test:faults -- --help

What people write, in which order it comes and when things break follows from the seed.
`

const say = (line: string) => void process.stdout.write(`${line}\n`)

/** Wrong words are refused: a scenario that is spelled wrong would pass. */
function readOptions(args: string[]): { seeds: string | undefined; only: string | undefined } {
  const options: Record<string, string | undefined> = {}
  for (let at = 0; at < args.length; at += 2) {
    const [name, value = ''] = args.slice(at, at + 2)
    const valid = name === '--seeds' ? /^\d+(,\d+)*$/ : name === '--only' ? /^[a-z-]+(,[a-z-]+)*$/ : null
    if (!valid?.test(value)) throw new Error(`not understood: ${args.slice(at).join(' ')}\n\n${HELP}`)
    options[name!] = value
  }
  return { seeds: options['--seeds'], only: options['--only'] }
}

/** The files that hold one of the scenarios. */
function filesOf(only: string | undefined): string[] {
  const files = readdirSync(join(ROOT, FOLDER)).filter(name => name.endsWith('.test.ts'))
  const wanted = only?.split(',')
  const found = files.filter(name => {
    const text = readFileSync(join(ROOT, FOLDER, name), 'utf8')
    return !wanted || wanted.some(scenario => text.includes(`'${scenario}'`))
  })
  if (found.length === 0) throw new Error(`there is no scenario ${only}`)
  return found.map(name => join(FOLDER, name))
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    say(HELP)
    return 0
  }
  const { seeds, only } = readOptions(args)
  const files = filesOf(only)
  const folder = await mkdtemp(join(tmpdir(), 'parley-faults-'))
  const log = join(folder, 'scenarios')
  const servers = await startTestServers(say)
  try {
    const timeout = TIMEOUT_SECONDS * (seeds?.split(',').length ?? 1)
    const { code, pass, fail, skip, failures } = await runTap(['--jobs=3', `--timeout=${timeout}`, ...files], {
      PARLEY_TEST_POSTGRES_URL: servers.postgresUrl,
      PARLEY_TEST_REDIS_URL: servers.redisUrl,
      PARLEY_FAULTS_SEEDS: seeds,
      PARLEY_FAULTS_ONLY: only,
      PARLEY_FAULTS_LOG: log,
    })
    for (const failure of failures) say(failure)
    if (existsSync(log)) for (const line of readFileSync(log, 'utf8').trim().split('\n').sort()) say(line)
    say('repeat one with: npm run test:faults -- --seeds <seed> --only <name>')
    if (!servers.redisUrl) say('Redis half not run: install it with apt-get install redis-server (or valkey-server)')
    say(`${pass} passed, ${fail} failed, ${skip} skipped`)
    return code === 0 && fail === 0 && pass > 0 ? 0 : 1
  } finally {
    await servers.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  return 1
})
