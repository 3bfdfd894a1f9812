import { type Claimant, claimNext, type Next } from '@parley/core'
import type { Database } from '@parley/db'
import { Lines } from './lines.ts'

/** A group locks as many conversations, and others wait for them. */
const MAX_GROUP = 50

type Answer = Exclude<Next, 'again'>
type Asking = Claimant & { resolve: (answer: Answer) => void; reject: (error: unknown) => void }

/**
 * Gives out what waits in inboxes. People who ask one inbox while others are served share a transaction: fifty at once
 * cost little more than one.
 */
export class NextConversations {
  readonly #db: Database
  readonly #now: () => Date
  readonly #lines: Lines<Asking>

  constructor(db: Database, now: () => Date) {
    this.#db = db
    this.#now = now
    this.#lines = new Lines(
      waiting => waiting.splice(0, MAX_GROUP),
      (key, group) => this.#give(key, group),
    )
  }

  /** @throws NotFound when the workspace has no such inbox */
  ask(workspace_id: string, inbox_id: string, claimant: Claimant): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#lines.add(`${workspace_id} ${inbox_id}`, { ...claimant, resolve, reject })
    })
  }

  async #give(key: string, group: Asking[]): Promise<Asking[]> {
    const [workspace_id, inbox_id] = key.split(' ') as [string, string]
    try {
      const answers = await this.#db.inWorkspace(workspace_id, trx => claimNext(trx, inbox_id, group, this.#now()))
      return group.filter((asking, place) => {
        const answer = answers[place]!
        if (answer === 'again') return true
        asking.resolve(answer)
        return false
      })
    } catch (error) {
      for (const { reject } of group) reject(error)
      return []
    }
  }
}
