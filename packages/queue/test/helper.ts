import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { until } from '@parley/testing'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { Hints, type QueueBackend, startWorkers, type WorkerDefinition } from '../src/index.ts'

export const job = () => ({ workspace_id: randomUUID(), channel_id: randomUUID() })

/** Hints that count what got lost; closed when the test ends. */
export function openHints(t: Test, backend: QueueBackend) {
  const lost: { queue: string; error: unknown }[] = []
  const hints = new Hints(backend, { onLost: (queue, error) => lost.push({ queue, error }) })
  t.teardown(() => hints.close())
  return { hints, lost }
}

/** Hints whose connection stands: before that, hints to Redis are lost. */
export async function readyHints(t: Test, backend: QueueBackend) {
  const opened = openHints(t, backend)
  await until('the queue answers', () =>
    opened.hints.check().then(
      () => true,
      () => false,
    ),
  )
  return opened
}

/** A worker of one queue that keeps what it was given; closed when the test ends. */
export function openWorker(t: Test, backend: QueueBackend, definition: Partial<WorkerDefinition> = {}) {
  const handled: unknown[] = []
  const errors: unknown[] = []
  const handle = async (data: unknown) => {
    handled.push(data)
    await definition.handle?.(data)
  }
  const onError = (_queue: string, error: unknown) => errors.push(error)
  const workers = startWorkers(backend, [{ queue: 'ingest', concurrency: 2, ...definition, handle }], {
    onJobFailed: onError,
    onConnectionError: onError,
  })
  t.teardown(() => workers.close(1_000))
  const seen = (channel_id: string) =>
    handled.filter(data => (data as { channel_id: string }).channel_id === channel_id)
  return { workers, handled, errors, seen }
}

/** Hints again and again, as the sweeper does, until the worker has looked. */
export async function untilHeard(hints: Hints, worker: ReturnType<typeof openWorker>, timeoutMs = 15_000) {
  const subject = job()
  let at = 0
  await until(
    'a hint arrives',
    async () => {
      if (performance.now() - at > 250) {
        at = performance.now()
        hints.ingest(subject)
      }
      return worker.seen(subject.channel_id).length > 0
    },
    timeoutMs,
  )
}

/** How long this takes to return, in ms. */
export function duration(work: () => void): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** A Redis of the test's own, to be stopped and killed. */
export async function ownRedis(t: Test) {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise(resolve => child!.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  return {
    url,
    kill,
    start: async () => {
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
      child = spawn('redis-server', args, { stdio: 'ignore' })
      await until('Redis answers', () => command(url, redis => redis.ping()).catch(() => undefined))
    },
    signal: (name: 'SIGSTOP' | 'SIGCONT') => void child!.kill(name),
  }
}

/** One command on a connection of its own. */
export async function command<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: null })
  redis.on('error', () => {})
  try {
    return await ask(redis)
  } finally {
    redis.disconnect()
  }
}

/** A way to a server that can be shut and opened. It begins shut: connections are refused. */
export async function gateTo(t: Test, target: string) {
  const { hostname, port: targetPort } = new URL(target)
  const port = await freePort()
  const sockets = new Set<Socket>()
  let server: Server | undefined
  const keep = (socket: Socket, other: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      other.destroy()
    })
  }
  const shut = async () => {
    const closed = new Promise(resolve => (server ? server.close(resolve) : resolve(undefined)))
    for (const socket of sockets) socket.destroy()
    await closed
    server = undefined
  }
  const open = async () => {
    server = createServer(near => {
      const far = connect(Number(targetPort), hostname)
      keep(near, far)
      keep(far, near)
      near.pipe(far).pipe(near)
    })
    await new Promise<void>(resolve => server!.listen(port, '127.0.0.1', resolve))
  }
  t.teardown(shut)
  const url = new URL(target)
  url.host = `127.0.0.1:${port}`
  return { url: url.href, open, shut }
}
