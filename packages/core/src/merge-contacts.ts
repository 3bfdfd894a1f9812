import { isDeepStrictEqual } from 'node:util'
import {
  appendEvents,
  type Contact,
  findContact,
  insertContactLink,
  listPersonIds,
  lockContacts,
  newId,
  previewMerge,
  setMergedInto,
  type Trx,
} from '@parley/db'
import { DomainError, type Member, NotFound } from '@parley/domain'
import { refuseUnchangeable } from './lock-contact.ts'

export type MergeOutcome = {
  /** What undoes it; null for a preview. */
  merge_id: string | null
  contact: Contact
  moves: { contacts: number; identities: number; conversations: number; notes: number }
  both_wait: number
  conflicts: { field: string; kept: unknown; other: unknown }[]
}

/**
 * Makes two contacts one person. No row of theirs moves: the one that is merged is the other from now on, and whatever
 * its accounts do goes on under its own id. So undoing it gives back everything, also what came in between, and ingest
 * never meets a contact that is gone. Both keep what is known of them; the contact of the path is the one that is shown.
 * @throws NotFound, or DomainError `validation_failed` for a `from_id` that names nobody else, `conflict` when one of
 *   them was merged or erased
 */
export async function mergeContacts(
  trx: Trx,
  { into_id, from_id, dry_run }: { into_id: string; from_id: string; dry_run: boolean },
  actor: Member,
  now: Date,
): Promise<MergeOutcome> {
  // In the order of their ids: of two merges that cross, the second one finds its contact merged.
  const locked = await lockContacts(trx, [into_id, from_id])
  const into = locked.find(({ id }) => id === into_id)
  const from = locked.find(({ id }) => id === from_id)
  if (!into) throw new NotFound('contact')
  if (!from || into === from) throw new DomainError('validation_failed', 'from_id names no other contact.')
  refuseUnchangeable(into)
  refuseUnchangeable(from)
  const [moved, present] = [await listPersonIds(trx, from_id), await listPersonIds(trx, into_id)]
  const { both_wait, ...counts } = await previewMerge(trx, moved, present)
  const outcome = { moves: { contacts: moved.length, ...counts }, both_wait, conflicts: conflictsOf(into, from) }
  if (dry_run) return { merge_id: null, contact: (await findContact(trx, into_id))!, ...outcome }
  const merge_id = newId(now)
  await insertContactLink(trx, {
    id: merge_id,
    into_id,
    from_id,
    merged_at: now,
    merged_by_type: actor.type,
    merged_by_id: actor.id,
  })
  await setMergedInto(trx, moved, into_id)
  const data = { contact_id: into_id, from_id, merge_id }
  await appendEvents(trx, [{ type: 'contact.merged', at: now, actor, data }])
  return { merge_id, contact: (await findContact(trx, into_id))!, ...outcome }
}

function conflictsOf(into: Contact, from: Contact): MergeOutcome['conflicts'] {
  const fields = (['name', 'language'] as const).map(field => ({ field, kept: into[field], other: from[field] }))
  const attributes = Object.keys(into.attributes).map(name => ({
    field: `attributes.${name}`,
    kept: into.attributes[name],
    other: from.attributes[name] ?? null,
  }))
  return [...fields, ...attributes].filter(
    ({ kept, other }) => kept !== null && other !== null && !isDeepStrictEqual(kept, other),
  )
}
