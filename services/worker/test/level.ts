import { listFeedStates } from '@parley/db'
import { until } from '@parley/testing'
import type { Feeds } from '../src/feed/feeds.ts'
import type { OpenWorker } from './processing.ts'

/** Has the log read until that consumer has come to its end. Returns its state then. */
export const levelWithLog = (feeds: Feeds, { run }: Pick<OpenWorker, 'run'>, consumer: string) =>
  until(`${consumer}: level with the log`, async () => {
    await feeds.sweep()
    await feeds.tick()
    const state = (await run(listFeedStates)).find(found => found.consumer === consumer)
    return state?.unread.count === 0 && state
  })
