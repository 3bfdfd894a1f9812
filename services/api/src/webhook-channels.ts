import type { ConnectedChannel } from '@parley/connectors'
import { openChannel } from '@parley/core'
import { type Database, findChannelVersion, findWorkspaceOfChannel } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'

/** A channel that webhooks are posted to, its credentials opened. */
export type WebhookChannel = { workspace_id: string; kind: string; version: string; opened: ConnectedChannel }

const MAX_KEPT = 10_000

/**
 * Channels by the id that stands in their webhook's address. What was read is kept with its version; whoever stores
 * events has the database compare that, so a channel that was changed or deleted a moment ago is noticed.
 */
export class WebhookChannels {
  readonly #db: Database
  readonly #secretKey: Buffer
  readonly #kept = new Map<string, WebhookChannel>()

  constructor(db: Database, secretKey: Buffer) {
    this.#db = db
    this.#secretKey = secretKey
  }

  /** The channel as it was when it was last read; undefined when it has not been. */
  kept(id: string): WebhookChannel | undefined {
    return this.#kept.get(id)
  }

  /** Reads the channel. @throws NotFound, or DomainError `channel_gone` when it was deleted */
  async read(id: string): Promise<WebhookChannel> {
    this.#kept.delete(id)
    const workspace_id = await this.#db.asSystem(trx => findWorkspaceOfChannel(trx, id))
    const found = workspace_id && (await this.#db.inWorkspace(workspace_id, trx => findChannelVersion(trx, id)))
    if (!found) throw new NotFound('channel')
    const { channel, version } = found
    if (channel.status === 'deleted') throw new DomainError('channel_gone', 'This channel was deleted.')
    const read = { workspace_id, kind: channel.kind, version, opened: openChannel(this.#secretKey, channel) }
    const [oldest] = this.#kept.keys()
    if (oldest && this.#kept.size >= MAX_KEPT) this.#kept.delete(oldest)
    this.#kept.set(id, read)
    return read
  }
}
