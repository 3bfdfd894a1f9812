import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

export type RedisServer = {
  url: string
  /** Ends it at once; nothing of what it held survives. */
  kill: () => Promise<void>
  /** Starts it again after a kill, empty, on the same port. */
  restart: () => Promise<void>
  stop: () => Promise<void>
}

/** Starts a Redis that keeps nothing on disk; undefined when neither server program is on the PATH. */
export async function startRedisServer(folder: string): Promise<RedisServer | undefined> {
  for (const program of ['redis-server', 'valkey-server']) {
    const port = await freePort()
    let child = await launch(program, port, folder)
    if (!child) continue
    const url = `redis://127.0.0.1:${port}`
    await untilRedisAnswers(url)
    const end = async (signal: NodeJS.Signals) => {
      const ending = child!
      if (ending.exitCode !== null || ending.signalCode !== null) return
      const exited = new Promise(resolve => ending.once('exit', resolve))
      ending.kill(signal)
      await exited
    }
    return {
      url,
      kill: () => end('SIGKILL'),
      restart: async () => {
        child = await launch(program, port, folder)
        await untilRedisAnswers(url)
      },
      stop: () => end('SIGTERM'),
    }
  }
  return undefined
}

async function launch(program: string, port: number, folder: string): Promise<ChildProcess | undefined> {
  const child = spawn(
    program,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--databases', '4096'],
    { cwd: folder, stdio: 'ignore' },
  )
  // A test that is ended from outside runs no teardown.
  const endIt = () => child.kill('SIGKILL')
  process.once('exit', endIt)
  child.once('exit', () => process.off('exit', endIt))
  return new Promise(resolve => {
    child.once('spawn', () => resolve(child))
    child.once('error', () => resolve(undefined))
  })
}

async function untilRedisAnswers(url: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: null })
    redis.on('error', () => {})
    try {
      await redis.ping()
      return
    } catch (error) {
      if (tries >= 100) throw error
      await delay(50)
    } finally {
      redis.disconnect()
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
