import { advanceBatch } from '@parley/core'
import { listRunningBatches } from '@parley/db'
import { capabilitiesOf } from '../src/capabilities-of.ts'
import type { TestApi } from './helper.ts'

/** What workers do with the batches that there are, as far as networks have room. */
export async function workBatches({ db, clock }: TestApi): Promise<void> {
  const soon = new Date(clock.now.getTime() + 1)
  for (const { workspace_id, batch_id } of await db.asSystem(trx => listRunningBatches(trx, soon, 100))) {
    const part = () =>
      db.inWorkspace(workspace_id, trx =>
        advanceBatch(trx, batch_id, 50, capabilitiesOf, clock.now, { message_ids: [] }),
      )
    while ((await part()).ended === 'more');
  }
}
