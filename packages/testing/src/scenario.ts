import { appendFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { Test } from 'tap'

const SEEDS = [1, 2, 3, 4, 5]

/**
 * One rule under one kind of fault, once for each seed. By default a scenario takes one of five seeds, by its name, or
 * `count` of them; `npm run test:faults -- --seeds` gives others.
 */
export async function scenario(
  t: Test,
  name: string,
  rule: string,
  run: (t: Test, seed: number) => Promise<void>,
  count = 1,
): Promise<void> {
  const { PARLEY_FAULTS_ONLY, PARLEY_FAULTS_SEEDS, PARLEY_FAULTS_LOG } = process.env
  if (PARLEY_FAULTS_ONLY && !PARLEY_FAULTS_ONLY.split(',').includes(name)) return
  const seeds = PARLEY_FAULTS_SEEDS ? PARLEY_FAULTS_SEEDS.split(',').map(Number) : seedsOf(name, count)
  for (const seed of seeds) {
    const started = performance.now()
    await t.test(`${name}: ${rule} (seed ${seed})`, async t => {
      t.teardown(() => {
        const seconds = ((performance.now() - started) / 1000).toFixed(1)
        const line = `${name} seed ${seed}: ${t.passing() ? 'holds' : 'FAILS'} (${seconds} s)`
        if (PARLEY_FAULTS_LOG) appendFileSync(PARLEY_FAULTS_LOG, `${line}\n`)
      })
      await run(t, seed)
    })
  }
}

function seedsOf(name: string, count: number): number[] {
  const number = crc32(name)
  return Array.from({ length: count }, (_, index) => SEEDS[(number + 2 * index) % SEEDS.length]!)
}
