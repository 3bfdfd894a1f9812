import { lockPolicy, type PolicyRow, type Trx } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { contentOf, type PolicyContent, savePolicyVersion } from './save-policy.ts'

export type PolicyChange = { [F in keyof PolicyContent]?: PolicyContent[F] | undefined }

/**
 * Makes the next version of a policy, if it is still in the one the caller saw. A change to what it is already changes
 * nothing.
 * @throws NotFound, or DomainError `version_mismatch`, or `validation_failed` as refuseUnkeepable
 */
export async function changePolicy(
  trx: Trx,
  id: string,
  change: PolicyChange,
  expected_version: number,
  author: Actor,
  now: Date,
): Promise<PolicyRow> {
  const present = await lockPolicy(trx, id)
  if (!present) throw new NotFound('policy')
  if (present.version !== expected_version)
    throw new DomainError('version_mismatch', 'The policy has changed since you read it.')
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  const content = { ...contentOf(present), ...given }
  return savePolicyVersion(trx, present, content, author, now)
}
