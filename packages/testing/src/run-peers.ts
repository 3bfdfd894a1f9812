import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startTestServers } from './servers.ts'
import { ROOT, runTap } from './tap.ts'

const HELP = `Runs the suites against the networks' own software, each in its own folder under peers/.

  npm run test:peers

The first run installs that software, which compiles for some minutes (it needs python3, make and a C++ compiler).
`

const say = (line: string) => void process.stdout.write(`${line}\n`)

/** Installs a peer's software unless what is installed came from the same lock file. */
async function install(folder: string): Promise<void> {
  const lock = createHash('sha256')
    .update(await readFile(join(folder, 'package-lock.json')))
    .digest('hex')
  const stamp = join(folder, 'node_modules', '.installed-from')
  if ((await readFile(stamp, 'utf8').catch(() => '')) === lock) return
  say(`installing ${folder}; this takes some minutes the first time`)
  const child = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit' })
  const code = await new Promise(resolve => child.once('exit', resolve))
  if (code !== 0) throw new Error(`npm ci failed in ${folder}`)
  await writeFile(stamp, lock)
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    say(HELP)
    return 0
  }
  const folder = join(ROOT, 'peers', 'bluesky')
  await install(folder)
  const servers = await startTestServers(say)
  try {
    if (!servers.redisUrl) {
      say('not run: Bluesky needs Redis; install it with apt-get install redis-server (or valkey-server)')
      say('0 passed, 0 failed, 1 skipped')
      return 1
    }
    const { code, pass, fail, skip, failures } = await runTap(
      readdirSync(folder)
        .filter(name => name.endsWith('.test.ts'))
        .map(name => join('peers/bluesky', name)),
      {
        PARLEY_TEST_POSTGRES_URL: servers.postgresUrl,
        PARLEY_TEST_REDIS_URL: servers.redisUrl,
        PEER_POSTGRES_URL: servers.postgresUrl,
        PEER_REDIS_HOST: new URL(servers.redisUrl).host,
      },
    )
    for (const failure of failures) say(failure)
    say(`${pass} passed, ${fail} failed, ${skip} skipped`)
    return code === 0 && fail === 0 && pass > 0 ? 0 : 1
  } finally {
    await servers.stop()
  }
}

process.exitCode = await main(process.argv.slice(2))
