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
