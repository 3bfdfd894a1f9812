import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from '../until.ts'
import { dovecotConfiguration, eximConfiguration, type MailPorts } from './configurations.ts'

const run = promisify(execFile)
const START_TIMEOUT_MS = 30_000

/** What `apt-get install` brings them; only one mail server fits on a Debian, and this is the one. */
export const MAIL_PACKAGES = ['dovecot-imapd', 'dovecot-lmtpd', 'exim4-daemon-light']
const PROGRAMS = {
  dovecot: '/usr/sbin/dovecot',
  doveadm: '/usr/bin/doveadm',
  exim: '/usr/sbin/exim4',
  lmtp: '/usr/lib/dovecot/lmtp',
}

/** Why these servers cannot run here; undefined when they can. */
export function whyNoMailServers(): string | undefined {
  if (process.getuid?.() !== 0) return 'Dovecot and Exim switch users: run as root'
  const missing = Object.values(PROGRAMS).filter(path => !existsSync(path))
  return missing.length > 0
    ? `install them with apt-get install --no-install-recommends ${MAIL_PACKAGES.join(' ')}`
    : undefined
}

export type MailServers = {
  ports: MailPorts
  /** Of every user. */
  password: string
  /** Ends all sessions of a user, as a server that restarts does. */
  kick: (user: string) => Promise<void>
  /** Runs doveadm: `doveadm(['mailbox', 'delete', '-u', 'ana', 'Old'])`. */
  doveadm: (args: string[]) => Promise<string>
  /** What both servers logged. */
  logs: () => Promise<string>
  stop: () => Promise<void>
}

/**
 * Starts a Dovecot and an Exim of our own on loopback: mail for brand.test and customer.test goes into the mailboxes of
 * `users`, mail to anybody else there comes back as Exim's delivery report.
 */
export async function startMailServers(users: string[]): Promise<MailServers> {
  const reason = whyNoMailServers()
  if (reason) throw new Error(`Dovecot and Exim cannot run: ${reason}`)
  const folder = await mkdtemp(join(tmpdir(), 'parley-mail-'))
  const password = 'a-long-password'
  const [imap, lmtp, smtp, submission] = (await freePorts(4)) as [number, number, number, number]
  const ports = { imap, lmtp, smtp, submission }
  await chmod(folder, 0o755)
  for (const name of ['run', 'state', 'mail', 'spool', 'exim-log']) await mkdir(join(folder, name))
  await run('chown', ['mail:mail', join(folder, 'mail')])
  await run('chown', ['Debian-exim:Debian-exim', join(folder, 'spool'), join(folder, 'exim-log')])
  await writeFile(join(folder, 'users'), users.map(user => `${user}:{PLAIN}${password}::::::\n`).join(''))
  const dovecotFile = join(folder, 'dovecot.conf')
  const eximFile = join(folder, 'exim.conf')
  await writeFile(dovecotFile, dovecotConfiguration(folder, ports))
  // Exim takes a configuration that is root's and that nobody else can write.
  await writeFile(eximFile, eximConfiguration(folder, ports, password), { mode: 0o644 })

  const servers = [
    spawn(PROGRAMS.dovecot, ['-F', '-c', dovecotFile], { stdio: 'ignore' }),
    spawn(PROGRAMS.exim, ['-C', eximFile, '-bdf', '-q1m'], { stdio: 'ignore' }),
  ]
  const ended = servers.map(server => new Promise<void>(resolve => server.once('exit', () => resolve())))
  const logs = async () => {
    const files = ['dovecot.log', 'exim-log/mainlog', 'exim-log/paniclog']
    return (await Promise.all(files.map(file => readFile(join(folder, file), 'utf8').catch(() => '')))).join('\n')
  }
  const stop = async () => {
    for (const server of servers) server.kill('SIGTERM')
    await Promise.all(ended)
    // Deliveries under way are processes of their own and may still write.
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
  try {
    for (const port of Object.values(ports)) await until(`port ${port} listens`, () => listens(port), START_TIMEOUT_MS)
  } catch (error) {
    const output = await logs()
    await stop()
    throw new Error(`The mail servers did not start:\n${output}`, { cause: error })
  }
  const doveadm = async (args: string[]) => (await run(PROGRAMS.doveadm, ['-c', dovecotFile, ...args])).stdout
  return {
    ports,
    password,
    doveadm,
    // It says 68 where the user has no session.
    kick: user =>
      doveadm(['kick', user]).then(
        () => {},
        () => {},
      ),
    logs,
    stop,
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
        ),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

function listens(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
