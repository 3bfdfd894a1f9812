import { type Channel, findChannel, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'

/** @throws NotFound, also for a channel that was deleted */
export async function getChannel(trx: Trx, id: string): Promise<Channel> {
  const channel = await findChannel(trx, id)
  if (!channel || channel.status === 'deleted') throw new NotFound('channel')
  return channel
}
