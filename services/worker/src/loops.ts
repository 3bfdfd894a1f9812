import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** Something to be done again and again by every worker process; it lives outside the queue that it heals. */
export type Loop = { name: string; everyMs: number; run: () => Promise<void> }

/** Runs each loop, a pause after each round. A round that fails is reported and the next one comes all the same. */
export function startLoops(loops: Loop[], onError: (name: string, error: unknown) => void) {
  const stop = new AbortController()
  // Each loop that pauses listens, and Node warns of more than ten.
  setMaxListeners(loops.length, stop.signal)
  const running = loops.map(async ({ name, everyMs, run }) => {
    while (!stop.signal.aborted) {
      await run().catch(error => onError(name, error))
      await delay(everyMs, undefined, { signal: stop.signal }).catch(() => {})
    }
  })
  return {
    close: async (): Promise<void> => {
      stop.abort()
      await Promise.all(running)
    },
  }
}
