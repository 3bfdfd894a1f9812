import { execFile } from 'node:child_process'

export type Account = { uid: number; gid: number }

/**
 * All that a child sees of the environment. Nothing of the caller's leaks into a server that outlives it, and neither
 * the messages (parsed here) nor the time zone that initdb writes down depend on the machine.
 */
export const childEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}

/**
 * Runs a program to its end, as `account` when given; `code` is undefined when it could not be started or was killed.
 * The working directory is `/`, as the account may not be able to enter ours.
 */
export function run(
  file: string,
  args: string[],
  account?: Account,
): Promise<{ code: number | undefined; output: string }> {
  return new Promise<{ code: number | undefined; output: string }>(resolve => {
    execFile(file, args, { env: childEnv, cwd: '/', ...account }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim()
      if (!error) return resolve({ code: 0, output })
      const code = typeof error.code === 'number' ? error.code : undefined
      resolve({ code, output: output || error.message })
    })
  }).catch((error: Error) => ({ code: undefined, output: error.message })) // EPERM comes as an exception
}
