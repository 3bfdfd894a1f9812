import { describeTriage } from '@parley/core'
import { listTriage, type Trx } from '@parley/db'

/** Messages with what is made of them, null where nothing is: one query for all of them. */
export async function withTriage<T extends { id: string }>(trx: Trx, messages: T[]) {
  const found = await listTriage(
    trx,
    messages.map(({ id }) => id),
  )
  const told = new Map(found.map(row => [row.message_id, describeTriage(row)]))
  return messages.map(message => ({ ...message, triage: told.get(message.id) ?? null }))
}
