import { type Channel, findChannel, type Reach, seesInbox, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'

/** @throws NotFound, also for a channel that was deleted or feeds an inbox that the caller does not see */
export async function getChannel(trx: Trx, caller: Reach, id: string): Promise<Channel> {
  const channel = await findChannel(trx, id)
  if (!channel || channel.status === 'deleted' || !seesInbox(caller, channel.inbox_id)) throw new NotFound('channel')
  return channel
}
