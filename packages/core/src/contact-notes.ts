import {
  appendEvents,
  type ContactNote,
  deleteContactNote,
  insertContactNote,
  listPersonIds,
  lockContactNote,
  newId,
  type Trx,
  updateContactNote,
} from '@parley/db'
import { DomainError, type Member, NotFound, type Role } from '@parley/domain'
import { lockContact } from './lock-contact.ts'

/** Who is at it, and what they may do. */
export type NoteWriter = Member & { role: Role }

/** @throws NotFound, or DomainError `conflict` when the contact was merged or erased */
export async function addContactNote(
  trx: Trx,
  contact_id: string,
  body: string,
  { type, id: author_id }: NoteWriter,
  now: Date,
): Promise<ContactNote> {
  await lockContact(trx, contact_id)
  const id = newId(now)
  const stamps = { created_at: now, updated_at: now }
  const note = await insertContactNote(trx, { id, contact_id, body, author_type: type, author_id, ...stamps })
  const data = { contact_id, note_id: id }
  await appendEvents(trx, [{ type: 'contact_note.created', at: now, actor: { type, id: author_id }, data }])
  return note
}

/**
 * Changes a note, if it is still in the version the caller saw.
 * @throws NotFound, or DomainError `forbidden` when neither its author nor a lead is at it, `version_mismatch`, `conflict`
 */
export async function changeContactNote(
  trx: Trx,
  ids: { contact_id: string; note_id: string },
  body: string,
  expected_version: number,
  writer: NoteWriter,
  now: Date,
): Promise<ContactNote> {
  const note = await lockOwnNote(trx, ids, writer)
  if (note.version !== expected_version) {
    throw new DomainError('version_mismatch', 'The note has changed since you read it.')
  }
  if (note.body === body) return note
  const changed = await updateContactNote(trx, note.id, body, now)
  await log(trx, 'contact_note.updated', note, writer, now)
  return changed
}

/** Takes a note away for good. @throws NotFound, or DomainError `forbidden`, `conflict` */
export async function removeContactNote(
  trx: Trx,
  ids: { contact_id: string; note_id: string },
  writer: NoteWriter,
  now: Date,
): Promise<ContactNote> {
  const note = await lockOwnNote(trx, ids, writer)
  await deleteContactNote(trx, note.id)
  await log(trx, 'contact_note.deleted', note, writer, now)
  return note
}

/** A note of the person, also one that was written about somebody who was merged into them. */
async function lockOwnNote(
  trx: Trx,
  { contact_id, note_id }: { contact_id: string; note_id: string },
  { type, id, role }: NoteWriter,
): Promise<ContactNote> {
  await lockContact(trx, contact_id)
  const note = await lockContactNote(trx, await listPersonIds(trx, contact_id), note_id)
  if (!note) throw new NotFound('note')
  const own = note.author_type === type && note.author_id === id
  if (!own && role === 'agent') throw new DomainError('forbidden', 'Only its author or a lead may change a note.')
  return note
}

async function log(
  trx: Trx,
  type: 'contact_note.updated' | 'contact_note.deleted',
  note: ContactNote,
  writer: NoteWriter,
  now: Date,
): Promise<void> {
  const data = { contact_id: note.contact_id, note_id: note.id }
  await appendEvents(trx, [{ type, at: now, actor: { type: writer.type, id: writer.id }, data }])
}
