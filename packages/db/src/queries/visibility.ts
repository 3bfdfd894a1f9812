import { ADMIN_EVENT_TYPES, type EventType, PERSONAL_EVENT_TYPES, WORKSPACE_EVENT_TYPES } from '@parley/contracts'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Credential } from './credentials.ts'
import type { EventRow } from './events.ts'

/** What a caller sees of the inboxes of a workspace: these, or all of them where it is null. */
export type Reach = Pick<Credential, 'inbox_ids'>

/** True when the caller sees that inbox. */
export const seesInbox = ({ inbox_ids }: Reach, inbox_id: string): boolean =>
  inbox_ids === null || inbox_ids.includes(inbox_id)

/** True for whom nothing of the workspace is kept from. */
export const seesEverything = ({ role, inbox_ids }: Pick<Credential, 'role' | 'inbox_ids'>): boolean =>
  role === 'admin' && inbox_ids === null

/** What belongs to an inbox, itself or by what it is part of. */
export type InboxThing = 'inbox' | 'channel' | 'conversation' | 'message' | 'saved reply' | 'attachment' | 'post'

/**
 * False when the thing with that id is in no inbox that the caller sees, or nowhere. True for whoever sees all inboxes:
 * what there is not, the caller's own query tells. Asks the database only for those who do not.
 */
export async function sees(trx: Trx, caller: Caller, thing: InboxThing, id: string): Promise<boolean> {
  if (caller.inbox_ids === null) return true
  const { rows } = await sql<{ seen: boolean }>`select exists (${SEEN[thing](id, caller)}) as seen`.execute(trx)
  return rows[0]!.seen
}

type Caller = Pick<Credential, 'inbox_ids' | 'user_id' | 'id'>
type Seen = (id: string, caller: Caller) => RawBuilder<unknown>

const among = ({ inbox_ids }: Reach) => sql`any(${inbox_ids}::uuid[])`

const SEEN: Record<InboxThing, Seen> = {
  inbox: (id, caller) => sql`select from inboxes where id = ${id} and id = ${among(caller)}`,
  channel: (id, caller) => sql`select from channels where id = ${id} and inbox_id = ${among(caller)}`,
  conversation: (id, caller) => sql`select from conversations where id = ${id} and inbox_id = ${among(caller)}`,
  message: (id, caller) => sql`
    select from messages m join conversations c on c.workspace_id = m.workspace_id and c.id = m.conversation_id
    where m.id = ${id} and c.inbox_id = ${among(caller)}`,
  'saved reply': (id, caller) => sql`
    select from saved_replies where id = ${id} and (inbox_id is null or inbox_id = ${among(caller)})`,
  post: (id, caller) => sql`
    select from posts p join channels c on c.workspace_id = p.workspace_id and c.id = p.channel_id
    where p.id = ${id} and c.inbox_id = ${among(caller)}`,
  // An upload that no reply has yet is its author's, and theirs who write at the draft that it is in.
  attachment: (id, caller) => sql`
    select from attachments a where a.id = ${id} and case
      when a.message_id is null then a.uploaded_by_id = ${caller.user_id ?? caller.id} or exists (
        select from drafts d join conversations c on c.workspace_id = d.workspace_id and c.id = d.conversation_id
        where a.id = any(d.attachment_ids) and c.inbox_id = ${among(caller)})
      else exists (
        select from messages m join conversations c on c.workspace_id = m.workspace_id and c.id = m.conversation_id
        where m.id = a.message_id and c.inbox_id = ${among(caller)})
      end`,
}

/**
 * Which of these people work in that inbox: active, and an administrator, or a member, or the inbox is open to all. It stays
 * so until the transaction ends: who takes it away locks the person or the inbox first, and then looks for what they own.
 */
export async function lockWorkersOf(trx: Trx, user_ids: string[], inbox_id: string): Promise<Set<string>> {
  const [, , { rows }] = await Promise.all([
    sql`select from users where id = any(${user_ids}::uuid[]) order by id for share`.execute(trx),
    sql`select from inboxes where id = ${inbox_id} for share`.execute(trx),
    sql<{ id: string }>`
      select id from unnest(${user_ids}::uuid[]) as asked (id)
      where ${mayWork(sql`asked.id`, sql`${inbox_id}::uuid`)}`.execute(trx),
  ])
  return new Set(rows.map(({ id }) => id))
}

/** The same of one person. */
export async function lockWorksIn(trx: Trx, user_id: string, inbox_id: string): Promise<boolean> {
  return (await lockWorkersOf(trx, [user_id], inbox_id)).has(user_id)
}

/** The condition that a person may work in an inbox, for statements that ask it of many. */
export const mayWork = (
  user_id: RawBuilder<unknown>,
  inbox_id: RawBuilder<unknown>,
): RawBuilder<boolean> => sql<boolean>`
  exists (select from users u where u.id = ${user_id} and u.status = 'active' and (u.role = 'admin'
    or exists (select from inboxes i where i.id = ${inbox_id} and i.open_to_all)
    or exists (select from inbox_members m where m.inbox_id = ${inbox_id} and m.user_id = u.id)
    or exists (select from inbox_teams t join team_members m on m.workspace_id = t.workspace_id and m.team_id = t.team_id
      where t.inbox_id = ${inbox_id} and m.user_id = u.id)))`

const forAdmins = new Set<string>(ADMIN_EVENT_TYPES)
const forEverybody = new Set<string>(WORKSPACE_EVENT_TYPES)
const forOne = new Set<string>(PERSONAL_EVENT_TYPES)
const forAllInboxes = new Set<string>(['message_batch.created', 'message_batch.finished'] satisfies EventType[])

/** Whose an event is that only one person is told; undefined for one that others may see too. */
export const personOf = ({ type, data }: EventRow): string | undefined =>
  forOne.has(type) ? String((data as { user_id?: unknown }).user_id) : undefined

/** Of these events those that are not another person's own. */
export const keepOwn = ({ user_id }: Pick<Credential, 'user_id'>, events: EventRow[]): EventRow[] =>
  events.filter(event => [undefined, user_id].includes(personOf(event)))

type Anchored = { channel_id?: unknown; inbox_id?: unknown; saved_reply_id?: unknown }

/**
 * Of these events those that the caller may see, in their order: of conversations, channels, inboxes and saved replies that
 * it sees. What concerns who gets in is for administrators, and what one person is told for that person. A batch is for
 * those who see all its inboxes. An event that belongs to nothing is left out unless it is of a type that concerns the
 * whole workspace.
 */
export async function keepVisible(
  trx: Trx,
  caller: Pick<Credential, 'inbox_ids' | 'role' | 'user_id'>,
  events: EventRow[],
): Promise<EventRow[]> {
  const own = keepOwn(caller, events)
  const allowed = caller.role === 'admin' ? own : own.filter(event => !forAdmins.has(event.type))
  if (caller.inbox_ids === null) return allowed
  const anchors = new Map(allowed.map(event => [event, anchorOf(event)]))
  const ids = [...new Set([...anchors.values()].filter(id => id !== undefined))]
  const { rows } = await sql<{ id: string }>`
    select id from conversations where id = any(${ids}::uuid[]) and inbox_id = ${among(caller)}
    union all select id from channels where id = any(${ids}::uuid[]) and inbox_id = ${among(caller)}
    union all select id from saved_replies
      where id = any(${ids}::uuid[]) and (inbox_id is null or inbox_id = ${among(caller)})`.execute(trx)
  const seen = new Set([...rows.map(row => row.id), ...caller.inbox_ids])
  return allowed.filter(event => {
    if (forAllInboxes.has(event.type)) return inboxesOf(event).every(id => seen.has(id))
    const anchor = anchors.get(event)
    // Its conversation may be out of sight by now; that somebody was told, and of which, is their own all the same.
    if (forOne.has(event.type)) return true
    return anchor === undefined ? forEverybody.has(event.type as EventType) : seen.has(anchor)
  })
}

const inboxesOf = ({ data }: EventRow) => (data as { inbox_ids: string[] }).inbox_ids

/** What decides who sees an event. */
function anchorOf({ conversation_id, data }: EventRow): string | undefined {
  if (conversation_id) return conversation_id
  const { channel_id, inbox_id, saved_reply_id } = data as Anchored
  const id = channel_id ?? inbox_id ?? saved_reply_id
  return typeof id === 'string' ? id : undefined
}
