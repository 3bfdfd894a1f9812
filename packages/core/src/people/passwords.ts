import { DomainError } from '@parley/domain'
import argon2 from 'argon2'

// The binary that comes with 0.45.1 ends Node 20 on Linux with a segmentation fault (seen in November 2026): 0.44 is pinned.
/** OWASP, Password Storage Cheat Sheet, read 2026-11: Argon2id with 19 MiB, two passes, one lane. */
const COST = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const
/** Node's thread pool works on four at once, 19 MiB each; who comes behind so many others is asked to come back. */
const MAX_WAITING = 64
let waiting = 0

/** Off the event loop: about 40 ms on another thread. @throws DomainError `too_busy` */
export async function hashPassword(password: string): Promise<string> {
  return bounded(() => argon2.hash(normalised(password), COST))
}

let dummy: Promise<string> | undefined

/**
 * Whether it is the password of that hash. Without a hash it takes as long, and is not: nobody learns from the time it takes
 * whom there is. @throws DomainError `too_busy`
 */
export async function verifyPassword(hash: string | null | undefined, password: string): Promise<boolean> {
  dummy ??= argon2.hash('nobody has this password', COST)
  const compared = hash ?? (await dummy)
  const same = await bounded(() => argon2.verify(compared, normalised(password)))
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
