import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'

/** When clocks of a conversation stood still, in order, as the log has it; `until` null: it still does. */
export type ClockPause = { clock_id: string; from: Date; until: Date | null }

export async function listClockPauses(trx: Trx, conversation_id: string): Promise<ClockPause[]> {
  const types: RawBuilder<unknown> = sql`('sla.paused', 'sla.resumed', 'sla.fulfilled', 'sla.cancelled')`
  const { rows } = await sql<ClockPause>`
    select clock_id, at as "from", ended_at as until
    from (select data ->> 'clock_id' as clock_id, type, at, seq, xact,
        lead(at) over (partition by data ->> 'clock_id' order by xact, seq) as ended_at
      from events where conversation_id = ${conversation_id} and type in ${types}) told
    where type = 'sla.paused' order by xact, seq`.execute(trx)
  return rows
}
