import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type RedisServer, startRedisServer } from './redis-server.ts'

/** A Redis of the test's own, which it may flush, fill and kill. Undefined where there is none to start. */
export async function ownRedis(t: Test): Promise<RedisServer | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'))
  const server = await startRedisServer(folder)
  t.teardown(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return server
}
