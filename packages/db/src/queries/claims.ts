import { sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { Conversation } from './conversations.ts'

/** What a claim in an inbox lasts, in open time of its calendar; `calendar` null: around the clock. */
export type InboxLease = {
  claim_lease_seconds: number | null
  calendar_id: string | null
  calendar_version: number | null
  calendar: unknown
}

export async function findInboxLease(trx: Trx, inbox_id: string): Promise<InboxLease | undefined> {
  const { rows } = await sql<InboxLease>`
    select i.claim_lease_seconds, c.id as calendar_id, c.version as calendar_version, cv.definition as calendar
    from inboxes i
    left join sla_policies p on p.workspace_id = i.workspace_id and p.id = i.sla_policy_id
    left join sla_policy_versions v on v.workspace_id = p.workspace_id and v.policy_id = p.id and v.version = p.version
    left join calendars c on c.workspace_id = v.workspace_id and c.id = v.calendar_id
    left join calendar_versions cv
      on cv.workspace_id = c.workspace_id and cv.calendar_id = c.id and cv.version = c.version
    where i.id = ${inbox_id}`.execute(trx)
  return rows[0]
}

/** Lets a claim last longer, if it is still that person's. The version stays: nothing changed that anybody works on. */
export async function extendClaim(trx: Trx, id: string, owner_id: string, until: Date): Promise<void> {
  await trx
    .updateTable('conversations')
    .set({ claim_expires_at: until })
    .where('id', '=', id)
    .where('assignee_id', '=', owner_id)
    .where('claim_expires_at', '<', until)
    .execute()
}

/** Locks conversations whose claim is over, the longest over first. What another transaction works on is passed over. */
export async function lockLapsedClaims(trx: Trx, now: Date, limit: number): Promise<Conversation[]> {
  return trx
    .selectFrom('conversations')
    .selectAll()
    .where('claim_expires_at', '<=', now)
    .orderBy('claim_expires_at')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute()
}

/** Workspaces in which a claim is over. */
export async function listWorkspacesWithLapsedClaims(trx: SystemTrx, now: Date): Promise<string[]> {
  const rows = await trx
    .selectFrom('conversations')
    .select('workspace_id')
    .distinct()
    .where('claim_expires_at', '<=', now)
    .execute()
  return rows.map(({ workspace_id }) => workspace_id)
}

/**
 * Locks the most urgent open conversations of an inbox that nobody owns, up to `limit`. Those that other transactions have
 * locked are passed over; where all are, it waits for one of them, as such a transaction may roll back: nobody is told that
 * nothing waits while something does. While it waits it holds none.
 */
export async function lockNext(trx: Trx, inbox_id: string, limit: number): Promise<Conversation[]> {
  const free = await probeQueue(trx, inbox_id, limit, sql`skip locked`)
  return free.length > 0 ? free : probeQueue(trx, inbox_id, 1, sql``)
}

async function probeQueue(trx: Trx, inbox_id: string, limit: number, others: ReturnType<typeof sql>) {
  const { rows } = await sql<Conversation>`
    ${queueOf(inbox_id)} limit ${limit} for update ${others}`.execute(trx)
  return rows
}

/** To the letter as the index of the queue has it. */
export const queueOf = (inbox_id: string, condition = sql``) => sql`
  select c.* from conversations c
  where c.inbox_id = ${inbox_id} and c.status = 'open' and c.assignee_id is null ${condition}
  order by case when c.next_due_at is null then 'infinity' else c.next_due_at end,
    case when c.waiting_since is null then 'infinity' else c.waiting_since end, c.id`
