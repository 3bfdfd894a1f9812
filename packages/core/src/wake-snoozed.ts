import { appendEvents, lockSnoozedUntil, type Trx, updateConversation } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { settleClocks } from './sla/settle-clocks.ts'

/** Opens conversations again whose snooze is over, up to `limit`. Returns how many there were. */
export async function wakeSnoozed(trx: Trx, now: Date, limit: number): Promise<number> {
  const woken = await lockSnoozedUntil(trx, now, limit)
  const rows = []
  for (const { id } of woken) rows.push(await updateConversation(trx, id, { status: 'open', updated_at: now }))
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
  for (const row of rows) await settleClocks(trx, [{ ...row, changed: ['status'] }], SYSTEM, now)
  return woken.length
}
