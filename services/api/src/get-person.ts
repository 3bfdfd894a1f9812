import { listPersonIds, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'

/** The contact with all that were merged into it. @throws NotFound */
export async function getPerson(trx: Trx, id: string): Promise<string[]> {
  const ids = await listPersonIds(trx, id)
  if (!ids.includes(id)) throw new NotFound('contact')
  return ids
}
