import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

export type TapResult = { code: number; pass: number; fail: number; skip: number }

/** Runs test files with tap, showing its report, and counts assertions. Without arguments: all that `include` names. */
export async function runTap(args: string[], env: Record<string, string | undefined>): Promise<TapResult> {
  await buildTap()
  const folder = await mkdtemp(join(tmpdir(), 'parley-tap-'))
  const output = join(folder, 'results.tap')
  try {
    const code = await spawnTap(
      // tsx writes each file as one line, so line coverage would say 100 % of anything.
      ['--disable-coverage', '--reporter=terse', `--output-file=${output}`, '--jobs=2', ...args],
      env,
    )
    // The reporter ends by showing the cursor again, in the middle of a line.
    process.stdout.write('\n')
    return { code, ...readCounts(await readFile(output, 'utf8').catch(() => '')) }
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
  if ((await spawnTap(['build'], {})) !== 0) throw new Error('tap build failed')
  await writeFile(built, '')
}

function spawnTap(args: string[], env: Record<string, string | undefined>): Promise<number> {
  const program = join(ROOT, 'node_modules/tap/dist/esm/run.mjs')
  const options = { cwd: ROOT, stdio: 'inherit' as const, env: { ...process.env, ...env } }
  const child = spawn(process.execPath, [program, ...args], options)
  return new Promise(resolve => child.once('exit', code => resolve(code ?? 1)))
}

/** The counts that tap writes at the end of its output. */
function readCounts(tapOutput: string): { pass: number; fail: number; skip: number } {
  const summary = [...tapOutput.matchAll(/^# \{ (total: .*) \}$/gm)].at(-1)?.[1] ?? ''
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(summary)?.[1] ?? 0)
  return { pass: count('pass'), fail: count('fail'), skip: count('skip') }
}
