import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** What is shown of one failure: enough to see it, however much the test compares. */
const MAX_LINES = 60
const MAX_COLUMNS = 300

export type TapResult = {
  code: number
  pass: number
  fail: number
  skip: number
  /** Each failed assertion as tap wrote it: the way down to it, its message, what was wanted and what was there. */
  failures: string[]
}

/** Runs test files with tap, counts assertions and collects what failed. Without arguments: all that `include` names. */
export async function runTap(args: string[], env: Record<string, string | undefined>): Promise<TapResult> {
  await buildTap()
  const folder = await mkdtemp(join(tmpdir(), 'parley-tap-'))
  const output = join(folder, 'results.tap')
  // Its moving counts are for a terminal. A log gets a line for each file that has ended, the failures below, and what test
  // processes say when they crash: of the reporters only this one passes that on.
  const reporter = process.stdout.isTTY ? 'terse' : 'tap'
  try {
    const code = await spawnTap(
      // tsx writes each file as one line, so line coverage would say 100 % of anything.
      ['--disable-coverage', `--reporter=${reporter}`, `--output-file=${output}`, '--jobs=2', ...args],
      env,
      process.stdout.isTTY ? 'inherit' : 'pipe',
    )
    // The reporter ends by showing the cursor again, in the middle of a line.
    if (process.stdout.isTTY) process.stdout.write('\n')
    const tapOutput = await readFile(output, 'utf8').catch(() => '')
    return { code, ...readCounts(tapOutput), failures: readFailures(tapOutput) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * A fresh tap still has the plugins it ships with, and its first run would load one that we leave out. Built once per
 * installation, which a file beside the packages remembers.
 */
async function buildTap(): Promise<void> {
  const built = join(ROOT, 'node_modules', '.tap-is-built')
  if (existsSync(built)) return
  process.stdout.write('preparing tap, once per installation\n')
  if ((await spawnTap(['build'], {}, 'inherit')) !== 0) throw new Error('tap build failed')
  await writeFile(built, '')
}

function spawnTap(
  args: string[],
  env: Record<string, string | undefined>,
  stdout: 'inherit' | 'pipe',
): Promise<number> {
  const program = join(ROOT, 'node_modules/tap/dist/esm/run.mjs')
  const child = spawn(process.execPath, [program, ...args], {
    cwd: ROOT,
    stdio: ['inherit', stdout, 'inherit'],
    env: { ...process.env, ...env },
  })
  if (child.stdout) createInterface(child.stdout).on('line', fileTeller())
  return new Promise(resolve => child.once('exit', code => resolve(code ?? 1)))
}

/** Says of each test file when it has ended, and how long it took; the reporter says so more than once. */
function fileTeller() {
  const told = new Set<string>()
  return (line: string): void => {
    const [, not = '', file, ms] = /^(not )?ok \d+ - (\S+\.test\.ts) # time=([\d.]+)ms/.exec(line) ?? []
    if (!file || told.has(file)) return
    told.add(file)
    process.stdout.write(`${not}ok ${(Number(ms) / 1000).toFixed(1).padStart(6)} s  ${file}\n`)
  }
}

/** The counts that tap writes at the end of its output. */
function readCounts(tapOutput: string): { pass: number; fail: number; skip: number } {
  const summary = [...tapOutput.matchAll(/^# \{ (total: .*) \}$/gm)].at(-1)?.[1] ?? ''
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(summary)?.[1] ?? 0)
  return { pass: count('pass'), fail: count('fail'), skip: count('skip') }
}

/**
 * The failed assertions of a run, so that a log says what failed even where the reporter draws nothing but counts. A
 * test that failed because of what is in it says nothing new and stands in the way down; a file says how its process ended.
 */
function readFailures(tapOutput: string): string[] {
  const failures: string[] = []
  const way: { depth: number; name: string }[] = []
  let open: { end: string; lines: string[] } | undefined
  for (const line of tapOutput.split('\n')) {
    if (open) {
      if (open.lines.length < MAX_LINES || line === open.end) open.lines.push(line.slice(0, MAX_COLUMNS))
      if (line === open.end) {
        failures.push(open.lines.join('\n'))
        open = undefined
      }
      continue
    }
    const [, indent = '', subtest, failed] = /^( *)(?:# Subtest: (.*)|not ok \d+ - (.*))$/.exec(line) ?? []
    if (subtest !== undefined) {
      while (way.length > 0 && way.at(-1)!.depth >= indent.length) way.pop()
      way.push({ depth: indent.length, name: subtest })
    } else if (failed !== undefined && (indent === '' || !/ # (SKIP|TODO|time=)/i.test(failed))) {
      const path = way.filter(({ depth }) => depth < indent.length).map(({ name }) => name)
      open = { end: `${indent}  ...`, lines: [`not ok: ${[...path, failed].join(' > ')}`] }
    }
  }
  return open ? [...failures, open.lines.join('\n')] : failures
}
