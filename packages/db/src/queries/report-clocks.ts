import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { ReportClockSums, ReportClocks } from '../tables.generated.ts'
import type { SlaClock } from './sla-clocks.ts'

/** A clock as the summary counts it. */
export type CountedClock = Omit<Selectable<ReportClocks>, 'workspace_id' | 'build'>
/** What is to be added to a sum of clocks; taken from it where it is negative. */
export type ClockSum = Omit<Insertable<ReportClockSums>, 'workspace_id' | 'build'>

/** A clock as it stands now, with where its conversation stands. */
export type CountableClock = SlaClock & Pick<CountedClock, 'channel_id' | 'post_id' | 'tag_ids'>

/** Which clocks events are about: by themselves, or all of a conversation. */
export type NamedClocks = { clock_ids: string[]; conversation_ids: string[] }

/** These clocks as they stand now. */
export async function listCountableClocks(
  trx: Trx,
  { clock_ids, conversation_ids }: NamedClocks,
): Promise<CountableClock[]> {
  const { rows } = await sql<CountableClock>`
    select k.*, v.channel_id, v.post_id, array(select t.tag_id from conversation_tags t
      where t.conversation_id = k.conversation_id order by t.tag_id)::text[] as tag_ids
    from (select id from sla_clocks where id = any(${clock_ids}::uuid[])
        union select id from sla_clocks where conversation_id = any(${conversation_ids}::uuid[])) wanted,
      lateral (select * from sla_clocks where id = wanted.id limit 1) k,
      lateral (select channel_id, post_id from conversations where id = k.conversation_id limit 1) v`.execute(trx)
  return rows
}

/** What is counted of these clocks. */
export async function listCountedClocks(trx: Trx, build: number, ids: string[]): Promise<CountedClock[]> {
  const { rows } = await sql<CountedClock & { workspace_id?: string; build?: number }>`
    select * from report_clocks where build = ${build} and id = any(${ids}::uuid[])`.execute(trx)
  return rows.map(({ workspace_id: _, build: __, ...clock }) => clock)
}

export async function putCountedClocks(trx: Trx, build: number, clocks: CountedClock[]): Promise<void> {
  if (clocks.length === 0) return
  const columns = Object.keys(clocks[0]!).filter(column => column !== 'id')
  const listed = (of?: string) => sql.join(columns.map(column => sql.ref(of ? `${of}.${column}` : column)))
  await sql`
    insert into report_clocks (build, id, ${listed()})
    select ${build}::integer, id, ${listed()} from ${rowsOf('report_clocks', clocks)} as told
    on conflict (workspace_id, build, id) do update set (${listed()}) = row (${listed('excluded')})`.execute(trx)
}
