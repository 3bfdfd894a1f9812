import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startTestServers } from './servers.ts'
import { ROOT, runTap } from './tap.ts'

const HELP = `Runs the tests against a PostgreSQL and a Redis of their own.

  npm test                          everything
  npm test -- packages/db           what lies in a folder
  npm test -- path/to/one.test.ts   one file

Other arguments go to tap: npm test -- --bail
Redis is taken from redis-server or valkey-server on the PATH (Debian, Ubuntu: apt-get install redis-server;
macOS: brew install redis). Without it those tests are reported as not run.
`

/** tap takes files; a folder stands for the test files below it. */
function testFiles(arg: string): string[] {
  const path = join(ROOT, arg)
  if (!existsSync(path) || !statSync(path).isDirectory()) return [arg]
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts') && !/(^|\/)(node_modules|dist)\//.test(name))
    .map(name => join(arg, name))
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(HELP)
    return 0
  }
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const servers = await startTestServers(say)
  try {
    const env = { PARLEY_TEST_POSTGRES_URL: servers.postgresUrl, PARLEY_TEST_REDIS_URL: servers.redisUrl }
    const { code, pass, fail, skip, failures } = await runTap(args.flatMap(testFiles), env)
    for (const failure of failures) say(failure)
    if (!servers.redisUrl) say('Redis half not run: install it with apt-get install redis-server (or valkey-server)')
    say(`${pass} passed, ${fail} failed, ${skip} skipped`)
    return code === 0 && fail === 0 && pass > 0 ? 0 : 1
  } finally {
    await servers.stop()
  }
}

process.exitCode = await main(process.argv.slice(2))
