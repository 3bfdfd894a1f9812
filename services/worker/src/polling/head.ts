import { acceptInbound, ledgerEntries } from '@parley/core'
import { updateChannel } from '@parley/db'
import type { WorkerContext } from '../context.ts'
import { beforeCall, callNetwork, inTurn, type Turn } from './turn.ts'

/** `more` when the network has more than this turn could read. */
export type HeadRead = { accepted: number; more: boolean }

/**
 * Reads what is new, a bounded number of pages. Each is stored together with the cursor that moved past it. A page of
 * known events does not end it: whether older ones may be missing, only the connector can tell.
 */
export async function readHead(ctx: WorkerContext, turn: Turn): Promise<HeadRead> {
  const { workspace_id, id: channel_id } = turn.channel
  let accepted = 0
  for (let pages = 0; pages < turn.limits.headPages; pages += 1) {
    const channel = await beforeCall(ctx, turn)
    if (!channel) return { accepted, more: true }
    const cursor = channel.cursor as Record<string, unknown> | null
    const page = await callNetwork(ctx, turn, channel, (connector, opened, context) =>
      connector.poll!(opened, cursor, context),
    )
    const stored = await inTurn(ctx, turn, async trx => {
      const facts = page.network_facts && { network_facts: JSON.stringify(page.network_facts) }
      await updateChannel(trx, channel_id, { cursor: JSON.stringify(page.cursor), ...facts })
      return acceptInbound(trx, ledgerEntries(channel_id, page.events, 'poll', ctx.now()))
    })
    if (stored.accepted > 0) ctx.hints.ingest({ workspace_id, channel_id })
    accepted += stored.accepted
    if (page.failed) throw page.failed
    if (!page.more) return { accepted, more: false }
  }
  return { accepted, more: true }
}
