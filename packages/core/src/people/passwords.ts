import { hash as argon2Hash, verify as argon2Verify } from '@node-rs/argon2'
import { DomainError } from '@parley/domain'

/** OWASP, Password Storage Cheat Sheet, read 2026-11: Argon2id with 19 MiB, two passes, one lane. */
// Argon2id is 2: the library's own name for it is a const enum, which is not there at run time.
const COST = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 }
/** Node's thread pool works on four at once, 19 MiB each; who comes behind so many others is asked to come back. */
const MAX_WAITING = 64
let waiting = 0

/** Off the event loop: about 40 ms on another thread. @throws DomainError `too_busy` */
export async function hashPassword(password: string): Promise<string> {
  return bounded(() => argon2Hash(normalised(password), COST))
}

let dummy: Promise<string> | undefined

/**
 * Whether it is the password of that hash. Without a hash it takes as long, and is not: nobody learns from the time it takes
 * whom there is. @throws DomainError `too_busy`
 */
export async function verifyPassword(hash: string | null | undefined, password: string): Promise<boolean> {
  dummy ??= argon2Hash('nobody has this password', COST)
  const compared = hash ?? (await dummy)
  const same = await bounded(() => argon2Verify(compared, normalised(password)))
  return same && Boolean(hash)
}

/** One spelling for what keyboards write in several (NIST SP 800-63B, 5.1.1.2). */
const normalised = (password: string) => password.normalize('NFKC')

async function bounded<T>(work: () => Promise<T>): Promise<T> {
  if (waiting >= MAX_WAITING) throw new DomainError('too_busy', 'Many people sign in just now; try again in a moment.')
  waiting += 1
  try {
    return await work()
  } finally {
    waiting -= 1
  }
}
