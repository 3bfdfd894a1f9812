import type { AcceptedCount } from '@parley/core'
import { type Database, insertInboundEvents, type LedgerEntry, sqlState } from '@parley/db'
import { Lines } from './lines.ts'

/** A group that is larger keeps its first request waiting for the last one's rows. */
const MAX_ENTRIES = 2_000

/** What one request brought, for a channel as the request found it; version null: however the channel is by now. */
export type Delivery = { channel_id: string; version: string | null; entries: LedgerEntry[] }

/** `changed`: the channel is not as the request found it, so nothing was stored. */
export type Receipt = AcceptedCount | 'changed'

type Waiting = Delivery & { resolve: (receipt: Receipt) => void; reject: (error: unknown) => void }

/**
 * Writes what requests bring to the ledger. Requests of a workspace that arrive while others are written share one
 * statement and one commit; each is answered after its own. A lone request waits for nobody.
 */
export class GroupCommit {
  readonly #db: Database
  readonly #lines = new Lines<Waiting>(takeGroup, async (workspace_id, group) => {
    await this.#store(workspace_id, group)
    return []
  })

  constructor(db: Database) {
    this.#db = db
  }

  accept(workspace_id: string, delivery: Delivery): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#lines.add(workspace_id, { ...delivery, resolve, reject })
    })
  }

  async #store(workspace_id: string, group: Waiting[]): Promise<void> {
    try {
      const versions = new Map(
        group.map(({ channel_id, version }) => [`${channel_id} ${version}`, { channel_id, version }]),
      )
      const entries = group.flatMap(delivery => delivery.entries)
      const [result] = await this.#db.runInWorkspace(workspace_id, insertInboundEvents(entries, [...versions.values()]))
      const stored = new Set(result!.stored)
      const channels = new Set(result!.channels)
      for (const { channel_id, entries, resolve } of group) {
        const accepted = entries.filter(entry => stored.has(entry.id)).length
        resolve(channels.has(channel_id) ? { accepted, duplicates: entries.length - accepted } : 'changed')
      }
    } catch (error) {
      // One request's event that the database does not take is no fault of the others.
      if (group.length > 1 && /^(22|23|54)/.test(sqlState(error) ?? ''))
        await Promise.all(group.map(one => this.#store(workspace_id, [one])))
      else for (const { reject } of group) reject(error)
    }
  }
}

/** Takes requests from the head of the line, one version of a channel at most: the others are asked anew. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  let entries = 0
  let count = 0
  const versions = new Map<string, string | null>()
  for (const delivery of waiting) {
    const { channel_id, version } = delivery
    const other = versions.has(channel_id) && versions.get(channel_id) !== version
    if (count > 0 && (other || entries + delivery.entries.length > MAX_ENTRIES)) break
    versions.set(channel_id, version)
    entries += delivery.entries.length
    count += 1
  }
  return waiting.splice(0, count)
}
