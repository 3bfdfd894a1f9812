import {
  appendEvents,
  type ContactExport,
  type Database,
  type ExportPage,
  findContact,
  type IdPage,
  insertExport,
  listContactLinks,
  listContactNotes,
  listIdentities,
  listMessagesToExport,
  listPersonIds,
  listTriage,
  listWaitsToExport,
  newId,
  type Trx,
} from '@parley/db'
import type { Member } from '@parley/domain'
import { describeTriage } from './describe-triage.ts'
import { lockContact } from './lock-contact.ts'

/** So many rows are in memory at a time. */
const PAGE = 200

/**
 * Asks for a file with everything that is kept of a person.
 * @throws NotFound, or DomainError `conflict` for one that was merged or erased
 */
export async function requestExport(trx: Trx, contact_id: string, actor: Member, now: Date): Promise<ContactExport> {
  await lockContact(trx, contact_id)
  const id = newId(now)
  const requested = { requested_at: now, requested_by_type: actor.type, requested_by_id: actor.id }
  const row = await insertExport(trx, { id, contact_id, next_attempt_at: now, ...requested })
  await appendEvents(trx, [{ type: 'contact.exported', at: now, actor, data: { contact_id, export_id: id } }])
  return row
}

/**
 * The file, piece by piece: a JSON object whose lists are read page by page, each in a transaction of its own, so that
 * neither memory nor a transaction grows with what somebody wrote.
 */
export async function* exportOf(db: Database, { workspace_id, contact_id, id }: ContactExport, now: Date) {
  const run = <T>(work: (trx: Trx) => Promise<T>) => db.inWorkspace(workspace_id, work)
  const contact_ids = await run(trx => listPersonIds(trx, contact_id))
  const contacts = await run(trx => Promise.all(contact_ids.map(contact => findContact(trx, contact))))
  const head = { export_id: id, exported_at: now, contacts: contacts.map(contact => ({ ...contact, ...INTERNAL })) }
  yield Buffer.from(JSON.stringify(head).slice(0, -1))
  const byId =
    (list: (trx: Trx, ids: string[], page: IdPage) => Promise<{ id: string }[]>) => (trx: Trx, page: ExportPage) =>
      list(trx, page.contact_ids, page)
  const lists: Record<string, (trx: Trx, page: ExportPage) => Promise<{ id: string }[]>> = {
    identities: byId(listIdentities),
    notes: byId(listContactNotes),
    merges: byId(listContactLinks),
    messages: listWithTriage,
    waits: listWaitsToExport,
  }
  for (const [name, list] of Object.entries(lists)) {
    yield Buffer.from(`,${JSON.stringify(name)}:[`)
    for (let after = FIRST_ID, begun = false; ; begun = true) {
      const rows = await run(trx => list(trx, { contact_ids, after, limit: PAGE }))
      const texts = rows.map(row => JSON.stringify({ ...row, ...INTERNAL }))
      if (texts.length > 0) yield Buffer.from(`${begun ? ',' : ''}${texts.join(',\n')}`)
      const last = rows.at(-1)
      if (!last || rows.length < PAGE) break
      after = last.id
    }
    yield Buffer.from(']')
  }
  yield Buffer.from('}\n')
}

/** A page of messages, each with what was made of it as a person reads it; null where nothing was. */
async function listWithTriage(trx: Trx, page: ExportPage) {
  const messages = await listMessagesToExport(trx, page)
  const judged = await listTriage(
    trx,
    messages.map(({ id }) => id),
  )
  const triage = new Map(judged.map(row => [row.message_id, { ...describeTriage(row), ...OF_MESSAGE }]))
  return messages.map(message => ({ ...message, triage: triage.get(message.id) ?? null }))
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
/** What the message itself says. */
const OF_MESSAGE = {
  ...{ workspace_id: undefined, message_id: undefined, conversation_id: undefined },
  ...{ contact_id: undefined, occurred_at: undefined },
}
/** What rows have for our own use. */
const INTERNAL = { workspace_id: undefined, name_key: undefined, handle_key: undefined }
