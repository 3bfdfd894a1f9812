import type { WorkerContext } from '../context.ts'
import type { FeedConsumer } from './consumer.ts'

/** Everything that follows the log, in any order: none waits for another. */
export function feedConsumers(_ctx: WorkerContext): FeedConsumer[] {
  return []
}
