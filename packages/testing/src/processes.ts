import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { QueueBackend } from '@parley/queue'
import type { Test } from 'tap'
import { until } from './until.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

export type Service = {
  process: ChildProcess
  /** Everything it wrote so far, both streams. */
  output: () => string
  exited: Promise<number | null>
  /** Ends it at once, as a power cut would. */
  kill: () => Promise<void>
}

/** Starts a service as its own process, built as in production; it is killed when the test ends. */
export function startService(t: Test, name: 'api' | 'worker' | 'migrate', env: Record<string, string>): Service {
  const child = spawn(process.execPath, [`${ROOT}services/${name}/dist/main.js`], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  return { process: child, output: () => output, exited, kill }
}

/** The environment of a service on this database and these queues. Everything on loopback may be called. */
export function serviceEnvironment(databaseUrl: string, backend: QueueBackend): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    ...(backend.kind === 'redis' ? { REDIS_URL: backend.url } : {}),
    PARLEY_SECRET_KEY: TEST_SECRET_KEY.toString('base64'),
    PARLEY_ALLOW_PRIVATE_TARGETS: '127.0.0.0/8,::1/128',
    // Not beside the sources; tests that look into it name one of their own.
    PARLEY_BLOB_DIR: join(tmpdir(), 'parley-test-blobs'),
    LOG_LEVEL: 'info',
  }
}

export const TEST_SECRET_KEY = Buffer.alloc(32, 7)

/** Starts an API on a free port and waits until it listens. */
export async function startApi(t: Test, env: Record<string, string>): Promise<Service & { url: string }> {
  const service = startService(t, 'api', { ...env, PORT: '0' })
  const ask = async () => {
    if (service.process.exitCode !== null) throw new Error(`the API ended: ${service.output()}`)
    return /"address":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(service.output())?.[1]
  }
  // Beside other test files on two cores a start has taken half a minute.
  const port = await until('the API listens', ask, 90_000)
  return { ...service, url: `http://127.0.0.1:${port}` }
}
