import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from './cleanup.ts'
import type { Corpus } from './corpus.ts'
import { endChild } from './processes.ts'

/** What the load generator posts, and how: as fast as `connections` allow, or so many a second whatever happens. */
export type Job = {
  /** The webhook of a channel. */
  url: string
  signingSecret: string
  corpus: Corpus
  eventsPerRequest: number
  drive: { kind: 'closed'; connections: number } | { kind: 'paced'; perSecond: number }
}

export type LoadResult = {
  requests: number
  events: number
  /** From the first request to the last answer. */
  seconds: number
  /** Per request, from its first byte sent to its answer read. */
  latenciesMs: number[]
}

export type FromLoad = { kind: 'ready' } | { kind: 'done'; result: LoadResult } | { kind: 'failed'; reason: string }

export type Load = {
  /** Resolves when the last answer has come. Rejects when one of them was not 202. */
  run: () => Promise<LoadResult>
}

/** Starts a load generator in a process of its own, which makes and signs all its requests before the clock starts. */
export async function prepareLoad(cleanup: Cleanup, job: Job): Promise<Load> {
  const child = fork(fileURLToPath(new URL('./load-main.js', import.meta.url)), {
    execArgv: [],
    serialization: 'advanced',
  })
  cleanup.defer(() => endChild(child))
  const failed = once(child, 'exit').then(() => ({ kind: 'failed' as const, reason: 'it ended' }))
  const next = async (): Promise<FromLoad> => {
    const message = once(child, 'message').then(([message]) => message as FromLoad)
    const answer = await Promise.race([message, failed])
    if (answer.kind === 'failed') throw new Error(`the load generator failed: ${answer.reason}`)
    return answer
  }
  child.send(job)
  await next()
  return {
    run: async () => {
      child.send('go')
      const answer = await next()
      await endChild(child)
      if (answer.kind !== 'done') throw new Error('the load generator said something unknown')
      return answer.result
    },
  }
}
