import { type ChildProcess, fork } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const STOP_MS = 25_000
const READY_MS = 60_000

/** A service of production, run as its own process from its built code. */
export type Service = { name: string; process: ChildProcess; exited: Promise<number | null> }

export function startService(name: 'migrate' | 'api' | 'worker', env: Record<string, string | undefined>): Service {
  const main = fileURLToPath(new URL(`../../${name}/dist/main.js`, import.meta.url))
  const child = fork(main, [], { env: { ...env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  return { name, process: child, exited }
}

/** Asks a service to end and waits; one that does not is ended. */
export async function stopService(service: Service): Promise<void> {
  service.process.kill('SIGTERM')
  const done = new AbortController()
  const late = delay(STOP_MS, 'late', { signal: done.signal, ref: false }).catch(() => 'done')
  if ((await Promise.race([service.exited, late])) === 'late') service.process.kill('SIGKILL')
  done.abort()
  await service.exited
}

/** @throws when somebody else listens there already, saying what to do */
export async function ensurePortIsFree(port: number, host: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      const reason = taken ? 'is taken by another program' : `cannot be used (${error.code})`
      reject(new Error(`Port ${port} on ${host} ${reason}. Choose another one: PORT=${port + 1} npm start`))
    })
    server.listen(port, host, () => resolve())
  })
  await new Promise(resolve => server.close(resolve))
}

/** Waits until the API says that it can do its work. */
export async function untilReady(api: Service, url: string): Promise<void> {
  const deadline = AbortSignal.timeout(READY_MS)
  while (!deadline.aborted) {
    if (api.process.exitCode !== null) throw new Error('The API ended while it started; its message stands above.')
    const ready = await fetch(`${url}/readyz`, { signal: deadline }).catch(() => undefined)
    if (ready?.ok) return
    await delay(50)
  }
  throw new Error(`The API did not become ready within ${READY_MS / 1000} s.`)
}
