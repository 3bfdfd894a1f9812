import { appendEvents, lockSnoozedUntil, type Trx, updateConversation } from '@parley/db'
import { SYSTEM } from '@parley/domain'

/** Opens conversations again whose snooze is over, up to `limit`. Returns how many there were. */
export async function wakeSnoozed(trx: Trx, now: Date, limit: number): Promise<number> {
  const woken = await lockSnoozedUntil(trx, now, limit)
  for (const { id } of woken) await updateConversation(trx, id, { status: 'open', updated_at: now })
  await appendEvents(
    trx,
    woken.map(({ id, snoozed_until }) => ({
      type: 'conversation.updated' as const,
      at: now,
      actor: SYSTEM,
      conversation_id: id,
      data: { status: 'open', reason: 'snooze_over' },
      previous: { status: 'snoozed', snoozed_until },
    })),
  )
  return woken.length
}
