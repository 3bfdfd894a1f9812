import type { QueueBackend } from '@parley/queue'
import { Redis } from 'ioredis'
import type { Test } from 'tap'

/** The servers that `npm test` started for this run. */
export async function testEnvironment(): Promise<{ postgresUrl: string; redisUrl: string | undefined }> {
  const { PARLEY_TEST_POSTGRES_URL: postgresUrl, PARLEY_TEST_REDIS_URL: redisUrl } = process.env
  if (!postgresUrl) throw new Error('Run tests with: npm test -- path/to/file.test.ts')
  return { postgresUrl, redisUrl: redisUrl || undefined }
}

/** A Redis database of the test's own; undefined where there is no Redis. */
export async function testRedisUrl(): Promise<string | undefined> {
  const { redisUrl } = await testEnvironment()
  if (!redisUrl) return undefined
  const redis = new Redis(redisUrl)
  const index = await redis.incr('parley:test:databases')
  redis.disconnect()
  return `${redisUrl}/${index}`
}

/**
 * Runs the same test on both queue backends. Where there is no Redis its half is reported as skipped, with what to do.
 */
export async function onBothBackends(
  t: Test,
  test: (t: Test, backend: (databaseUrl: string) => QueueBackend) => Promise<void>,
): Promise<void> {
  await t.test('queues in Postgres', t => test(t, url => ({ kind: 'postgres', url })))
  const redisUrl = await testRedisUrl()
  const skip = redisUrl ? false : 'not run: install Redis with apt-get install redis-server'
  await t.test('queues in Redis', { skip }, t => test(t, () => ({ kind: 'redis', url: redisUrl! })))
}
