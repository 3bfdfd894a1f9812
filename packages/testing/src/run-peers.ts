import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MAIL_PACKAGES, whyNoMailServers } from './mail-servers/start.ts'
import { startTestServers } from './servers.ts'
import { ROOT, runTap } from './tap.ts'

const HELP = `Runs the suites against the networks' own software, each in its own folder under peers/.

  npm run test:peers             all of them
  npm run test:peers -- email    one of: bluesky, email

The first run installs that software. Bluesky's compiles for some minutes (it needs python3, make and a C++ compiler).
Dovecot and Exim come from Debian; as root they are installed by apt-get, otherwise it says what to install.
`

const PEERS = ['bluesky', 'email']

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

/** Installs the mail servers where that can be done: as root on a Debian. What is missing then is said by the caller. */
async function installMailServers(): Promise<void> {
  if (!whyNoMailServers() || process.getuid?.() !== 0) return
  say(`installing ${MAIL_PACKAGES.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Lists that cannot be brought up to date may still do.
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...MAIL_PACKAGES]]) {
    const child = spawn('apt-get', ['--quiet=2', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    await new Promise(resolve => {
      child.once('exit', resolve)
      child.once('error', resolve)
    })
  }
}

const suiteFiles = (peer: string) =>
  readdirSync(join(ROOT, 'peers', peer))
    .filter(name => name.endsWith('.test.ts'))
    .map(name => join('peers', peer, name))

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    say(HELP)
    return 0
  }
  const peers = args.length > 0 ? PEERS.filter(peer => args.includes(peer)) : PEERS
  const skipped: string[] = []
  if (peers.includes('bluesky')) await install(join(ROOT, 'peers', 'bluesky'))
  if (peers.includes('email')) await installMailServers()
  const servers = await startTestServers(say)
  try {
    const files: string[] = []
    if (peers.includes('bluesky')) {
      if (servers.redisUrl) files.push(...suiteFiles('bluesky'))
      else skipped.push('Bluesky needs Redis; install it with apt-get install redis-server (or valkey-server)')
    }
    if (peers.includes('email')) {
      const reason = whyNoMailServers()
      if (reason) skipped.push(`e-mail needs Dovecot and Exim: ${reason}`)
      else files.push(...suiteFiles('email'))
    }
    for (const reason of skipped) say(`not run: ${reason}`)
    if (files.length === 0) {
      say(`0 passed, 0 failed, ${skipped.length} skipped`)
      return 1
    }
    const { code, pass, fail, skip, failures } = await runTap(files, {
      PARLEY_TEST_POSTGRES_URL: servers.postgresUrl,
      PARLEY_TEST_REDIS_URL: servers.redisUrl ?? '',
      PEER_POSTGRES_URL: servers.postgresUrl,
      PEER_REDIS_HOST: servers.redisUrl && new URL(servers.redisUrl).host,
    })
    for (const failure of failures) say(failure)
    say(`${pass} passed, ${fail} failed, ${skip + skipped.length} skipped`)
    return code === 0 && fail === 0 && pass > 0 && skipped.length === 0 ? 0 : 1
  } finally {
    await servers.stop()
  }
}

process.exitCode = await main(process.argv.slice(2))
