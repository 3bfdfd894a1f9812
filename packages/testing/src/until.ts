import { setTimeout as delay } from 'node:timers/promises'

/** Asks again and again until the answer is something, and gives it back; fails after `timeoutMs`. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | null | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const start = performance.now()
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (performance.now() - start > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`)
    await delay(25)
  }
}
