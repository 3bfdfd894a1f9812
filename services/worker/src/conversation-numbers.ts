import { type Database, takeConversationNumbers } from '@parley/db'

/** Few transactions for many quiet batches, and few numbers that nobody gets when the process ends. */
const BLOCK = 16

/**
 * Numbers for new conversations, taken ahead and each given out once. The counter is one row per workspace: a batch
 * that took its numbers itself would hold that row until it commits, and all channels would stand in line for it.
 */
export class ConversationNumbers {
  readonly #db: Database
  readonly #free = new Map<string, number[]>()

  constructor(db: Database) {
    this.#db = db
  }

  /**
   * Numbers of one workspace for one batch. `reserve` makes sure that the next `count` calls of `next` have one to give;
   * `release` keeps those that were not needed for others.
   */
  of(workspace_id: string): { reserve: (count: number) => Promise<void>; next: () => number; release: () => void } {
    const free = this.#free.get(workspace_id) ?? []
    this.#free.set(workspace_id, free)
    const own: number[] = []
    return {
      reserve: async count => {
        own.push(...free.splice(0, Math.max(0, count - own.length)))
        if (own.length >= count) return
        const missing = Math.max(BLOCK, count - own.length)
        const first = await this.#db.inWorkspace(workspace_id, trx => takeConversationNumbers(trx, missing))
        own.push(...Array.from({ length: missing }, (_, index) => first + index))
        free.push(...own.splice(count))
      },
      next: () => {
        const number = own.shift()
        if (number === undefined) throw new Error('more conversations than numbers were reserved')
        return number
      },
      release: () => {
        free.unshift(...own.splice(0))
      },
    }
  }
}
