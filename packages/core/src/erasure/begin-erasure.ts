import { randomBytes } from 'node:crypto'
import {
  appendEvents,
  blankContacts,
  blankIdentities,
  type ContactErasure,
  deleteNotesAbout,
  ensureErasureKey,
  findErasureOf,
  insertErasedIds,
  insertErasure,
  keepWritersOut,
  listPersonIds,
  lockContacts,
  lockIdentities,
  NAMELESS,
  newId,
  type Trx,
} from '@parley/db'
import { type Member, NotFound } from '@parley/domain'
import { erasedDigest, erasedScope, erasedText } from '../erased-ids.ts'
import { refuseUnchangeable } from '../lock-contact.ts'
import { STEPS } from './steps.ts'
import type { Wanted } from './traces.ts'

const KEY_BYTES = 32

/**
 * Begins to erase a person, with all that were merged into them. Their name, accounts and notes are gone when this
 * commits, and no account leads to them any more; what they wrote is erased by a worker, step by step. Twice is the same
 * as once.
 * @throws NotFound, or DomainError `conflict` for one that was merged into somebody else
 */
export async function beginErasure(trx: Trx, contact_id: string, actor: Member, now: Date): Promise<ContactErasure> {
  await keepWritersOut(trx)
  const [contact] = await lockContacts(trx, [contact_id])
  if (!contact) throw new NotFound('contact')
  const begun = await findErasureOf(trx, contact_id)
  if (begun) return begun
  refuseUnchangeable(contact)
  const everybody = await listPersonIds(trx, contact_id)
  const contacts = await lockContacts(trx, everybody)
  const identities = await lockIdentities(trx, everybody)
  const key = await ensureErasureKey(trx, randomBytes(KEY_BYTES))
  const accounts = identities.map(({ id, network, external_id }) => {
    const digest = erasedDigest(key, erasedScope.account(network), external_id)
    return { id, digest, external_id: erasedText(digest) }
  })
  await insertErasedIds(
    trx,
    accounts.map(account => account.digest),
    now,
  )
  await blankIdentities(trx, accounts, now)
  await blankContacts(trx, everybody, NAMELESS, now)
  const notes = await deleteNotesAbout(trx, everybody)
  const named = [...contacts.map(({ name }) => name), ...identities.flatMap(row => [row.handle, row.display_name])]
  const looking_for: Wanted = {
    names: unique(named).filter(name => name !== NAMELESS),
    ids: unique(identities.flatMap(row => [row.external_id, row.avatar_url])),
  }
  const erasure = await insertErasure(trx, {
    id: newId(now),
    contact_id,
    step: STEPS[0],
    counts: JSON.stringify({ contacts: contacts.length, identities: identities.length, notes }),
    looking_for: JSON.stringify(looking_for),
    requested_at: now,
    requested_by_type: actor.type,
    requested_by_id: actor.id,
  })
  const data = { contact_id, erasure_id: erasure.id }
  await appendEvents(trx, [{ type: 'contact.erasure_requested', at: now, actor, data }])
  return erasure
}

const unique = (texts: (string | null)[]) => [...new Set(texts.filter(text => text !== null))]
