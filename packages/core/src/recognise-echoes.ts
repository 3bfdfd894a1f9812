import {
  type Channel,
  closeOpenAttempt,
  findLatestAttempt,
  listUnconfirmedReplies,
  lockConversationOf,
  lockMessage,
  type Message,
  type Trx,
} from '@parley/db'
import type { Arrival } from './read-batch.ts'
import { recordReplyOutcome } from './record-reply-outcome.ts'

/**
 * A reply of ours that the network shows has been accepted, whatever its send call says later or never says. It is
 * known by the id chosen for it or by the token it carried. What we know as sent already is left alone.
 */
export async function recogniseEchoes(trx: Trx, channel: Channel, arrivals: Arrival[], now: Date): Promise<void> {
  const ours = arrivals.filter(arrival => arrival.from_us)
  if (ours.length === 0) return
  const external_ids = ours.map(arrival => arrival.external_id)
  const tokens = ours.flatMap(arrival => arrival.send_token ?? [])
  for (const reply of await listUnconfirmedReplies(trx, channel.id, external_ids, tokens)) {
    const echo = ours.find(
      ({ external_id, send_token }) => external_id === reply.external_id || send_token === reply.id,
    )
    if (echo) await confirm(trx, reply, echo, now)
  }
}

async function confirm(trx: Trx, reply: Message, echo: Arrival, now: Date): Promise<void> {
  const conversation = await lockConversationOf(trx, reply.id)
  const message = (await lockMessage(trx, reply.id))!
  if (message.state === 'sent') return
  const attempt = await findLatestAttempt(trx, message.id)
  // The worker that is still waiting for its answer, if there is one, has then nothing to record any more.
  await closeOpenAttempt(trx, message.id, { finished_at: now, outcome: 'sent', reason: 'echo' })
  const earliest = attempt?.started_at ?? message.received_at
  const accepted_at = new Date(Math.max(earliest.getTime(), Math.min(echo.occurred_at.getTime(), now.getTime())))
  const { external_id, permalink } = echo
  await recordReplyOutcome(trx, conversation, message, { outcome: 'sent', external_id, accepted_at, permalink }, now)
}
