import { constants } from 'node:fs'
import { access, chmod, chown, mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type Account, run } from './commands.ts'

const systemUser = 'postgres'

/**
 * Who runs the server of `folder`: undefined means this process's own user. PostgreSQL refuses to run as root, so root
 * hands over to the folder's owner or, where that is root too (or nobody yet), to the system user `postgres`.
 * Going by owner keeps a folder usable when the same user has another number, as in a rebuilt container.
 */
export async function findAccount(folder: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(folder).catch(() => undefined)
  const account = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await findOrCreateUser(systemUser)
  const trial = await run('/bin/sh', ['-c', 'exit 0'], account)
  if (trial.code !== 0) {
    throw new Error(
      `PostgreSQL refuses to run as root, and this root may not become user ${account.uid}: ${trial.output}. ` +
        'Start as a normal user, or set DATABASE_URL to a PostgreSQL server of your own.',
    )
  }
  return account
}

/** The system user's numbers; the user is made when the machine has none. Only for root. */
async function findOrCreateUser(name: string): Promise<Account> {
  const found = await findUser(name)
  if (found) return found
  const attempts = [
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', name]),
  ]
  if (attempts[0]?.code === undefined) {
    // BusyBox: without the group, its adduser would put the user in `nogroup`.
    attempts.push(await run('addgroup', ['-S', name]))
    attempts.push(await run('adduser', ['-S', '-D', '-H', '-s', '/bin/false', '-G', name, name]))
  }
  // Another process may have made it meanwhile, so what counts is whether it is there now.
  const created = await findUser(name)
  if (created) return created
  throw new Error(
    `PostgreSQL refuses to run as root, and a system user "${name}" could not be made: ` +
      `${attempts.map(attempt => attempt.output).join('; ')}. ` +
      `Make that user, start as a normal user, or set DATABASE_URL to a PostgreSQL server of your own.`,
  )
}

async function findUser(name: string): Promise<Account | undefined> {
  const [uid, gid] = [await run('id', ['-u', name]), await run('id', ['-g', name])]
  if (uid.code !== 0 || gid.code !== 0) return undefined
  return { uid: Number(uid.output), gid: Number(gid.output) }
}

/** Whether the account itself can enter these folders; asked of the system, which knows about ACLs and mounts. */
export async function canEnter(folders: string[], account: Account): Promise<boolean> {
  const test = await run(
    '/bin/sh',
    ['-c', 'for folder; do test -x "$folder" || exit 1; done', 'sh', ...folders],
    account,
  )
  return test.code === 0
}

/** Makes a folder and those above it, for any account to pass through whatever the umask; existing ones stay as is. */
export async function makePassableFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (!first) return
  for (let made = resolve(folder); made.length >= first.length; made = dirname(made)) await chmod(made, 0o711)
}

/** Makes `folder` the account's own and closed to others, or, when we run as ourselves, makes sure that it is ours. */
export async function ownFolder(folder: string, account: Account | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (account) {
    await chown(folder, account.uid, account.gid)
    return
  }
  const { uid } = await stat(folder)
  const writable = await access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  if (uid !== process.getuid?.() || !writable) {
    throw new Error(
      `${folder} belongs to user ${uid}, and this process runs as user ${process.getuid?.()}. ` +
        'Start as the user who started it first, or choose another folder.',
    )
  }
}
