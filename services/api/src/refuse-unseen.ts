import { type Credential, type InboxThing, sees, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'

/**
 * Refuses what lies in an inbox that the caller does not see. Call it before anything is told about the thing.
 * @param name what the route calls it: the words are those for what is not there
 * @throws NotFound
 */
export async function refuseUnseen(
  trx: Trx,
  caller: Credential,
  thing: InboxThing,
  id: string,
  name: string = thing,
): Promise<void> {
  if (!(await sees(trx, caller, thing, id))) throw new NotFound(name)
}

/**
 * The same of an inbox, without asking the database: whether there is one at all, the caller's own query tells.
 * @throws NotFound
 */
export function refuseUnseenInbox({ inbox_ids }: Pick<Credential, 'inbox_ids'>, id: string): void {
  if (inbox_ids && !inbox_ids.includes(id)) throw new NotFound('inbox')
}
