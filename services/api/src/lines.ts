/** Two: while one group is written, the next is on its way, and what arrives meanwhile shares the one after. */
const IN_FLIGHT = 2

type Line<T> = { waiting: T[]; inFlight: number }

/**
 * Requests for the same thing that arrive while others are worked on share one turn of `work`, and so one transaction. A lone
 * request waits for nobody.
 */
export class Lines<T> {
  readonly #lines = new Map<string, Line<T>>()
  readonly #take: (waiting: T[]) => T[]
  readonly #work: (key: string, group: T[]) => Promise<T[]>

  /**
   * @param take removes from the head of the line those that share the next turn, one at least
   * @param work answers each request itself and never rejects; resolves to those that need another turn, who come first
   */
  constructor(take: (waiting: T[]) => T[], work: (key: string, group: T[]) => Promise<T[]>) {
    this.#take = take
    this.#work = work
  }

  add(key: string, request: T): void {
    const line = this.#lines.get(key) ?? { waiting: [], inFlight: 0 }
    this.#lines.set(key, line)
    line.waiting.push(request)
    this.#flush(key, line)
  }

  #flush(key: string, line: Line<T>): void {
    while (line.inFlight < IN_FLIGHT && line.waiting.length > 0) {
      const group = this.#take(line.waiting)
      line.inFlight += 1
      this.#work(key, group).then(again => {
        line.inFlight -= 1
        line.waiting.unshift(...again)
        if (line.inFlight === 0 && line.waiting.length === 0) this.#lines.delete(key)
        else this.#flush(key, line)
      })
    }
  }
}
