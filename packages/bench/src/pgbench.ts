import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'
import { endChild } from './processes.ts'
import { type Servers, settle, withClient } from './servers.ts'

const DATABASE = 'pgbench'
/** pgbench(1): a scale below the number of clients measures their waiting for one another. */
const CLIENTS = 8
const SCALE = 10
const SECONDS = 5

export const NO_PGBENCH = 'not run, needs pgbench: apt-get install postgresql (macOS: brew install libpq)'

/** Transactions per second of TPC-B on the benchmark's own server, measured anew at each call. */
export type Pgbench = { measure: () => Promise<number> }

/** Fills pgbench's tables. Undefined when this machine has no pgbench. */
export async function preparePgbench(cleanup: Cleanup, servers: Servers): Promise<Pgbench | undefined> {
  const program = await findPgbench(cleanup)
  if (!program) return undefined
  await withClient(servers.postgresUrl(), client => client.query(`create database ${DATABASE}`))
  const run = (args: string[]) => runProgram(cleanup, program, [...args, servers.postgresUrl(DATABASE)])
  await run(['--initialize', '--quiet', `--scale=${SCALE}`])
  return {
    measure: async () => {
      await settle(servers)
      const output = await run(['--no-vacuum', `--client=${CLIENTS}`, '--jobs=2', `--time=${SECONDS}`])
      const tps = /^tps = ([\d.]+)/m.exec(output)?.[1]
      if (!tps) throw new Error(`pgbench said no rate:\n${output}`)
      return Number(tps)
    },
  }
}

/** On the PATH, or where Debian keeps it when only the server's package is there. */
async function findPgbench(cleanup: Cleanup): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql'
  const versions = await readdir(debian).catch((): string[] => [])
  const candidates = [
    'pgbench',
    ...versions
      .sort()
      .reverse()
      .map(version => join(debian, version, 'bin/pgbench')),
  ]
  for (const program of candidates) {
    const works = await runProgram(cleanup, program, ['--version']).then(
      () => true,
      () => false,
    )
    if (works) return program
  }
  return undefined
}

function runProgram(cleanup: Cleanup, program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    })
    cleanup.defer(() => endChild(child))
    let output = ''
    const collect = (chunk: Buffer) => {
      output += chunk
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve(output) : reject(new Error(`${program} failed:\n${output}`))))
  })
}
