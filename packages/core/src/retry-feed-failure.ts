import { appendEvents, type FeedFailure, findFeedFailure, reopenFeedFailure, type Trx } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'

/**
 * Lets a consumer of the log try an event again that it had left behind, and logs who wanted it. Wake the workspace
 * after the commit.
 * @throws NotFound, or DomainError `conflict` when it is being tried already, or handled by now
 */
export async function retryFeedFailure(
  trx: Trx,
  consumer: string,
  id: string,
  actor: Actor,
  now: Date,
): Promise<FeedFailure> {
  const failure = await reopenFeedFailure(trx, consumer, id)
  if (!failure) {
    const found = await findFeedFailure(trx, consumer, id)
    if (!found) throw new NotFound('failure')
    throw new DomainError('conflict', `The event does not wait for a decision: it is ${found.state}.`, {
      state: found.state,
    })
  }
  const { event_id, event_type, conversation_id, error: reason } = failure
  const data = { failure_id: id, consumer, event_id, event_type, reason }
  await appendEvents(trx, [{ type: 'feed.retried', at: now, actor, conversation_id, data }])
  return failure
}
