import type { AnswerFault } from '../fake-network/misbehaviour.ts'

/**
 * What goes wrong with a call. `cut` ends the connection before anything was done, `answer-lost` after. `slow-work`
 * takes its time over the work itself. `limited` is a 429 as Mastodon gives it, with an instant and no Retry-After.
 */
export type MastodonFault =
  | AnswerFault
  | { kind: 'cut' }
  | { kind: 'slow-work'; ms: number }
  | { kind: 'limited'; reset_ms: number }
  | { kind: 'refused'; status: number; error: string; retry_after?: string }
  | { kind: 'page'; status: number }

export type MastodonMisbehaviour = {
  fault: MastodonFault
  /** As `POST /api/v1/statuses`; ids are written `:id`. */
  call: string
  /** How many calls; without end by default. */
  times?: number
  /** How many calls go well before. */
  after?: number
}

/** The faults that are still to come. */
export class Faults {
  #planned: MastodonMisbehaviour[] = []

  plan(faults: MastodonMisbehaviour[]): void {
    this.#planned = faults.map(fault => ({ ...fault }))
  }

  next(call: string): MastodonFault | null {
    const planned = this.#planned.find(fault => fault.call === call)
    if (!planned) return null
    if (planned.after) {
      planned.after -= 1
      return null
    }
    if (planned.times !== undefined) planned.times -= 1
    if (planned.times === 0) this.#planned.splice(this.#planned.indexOf(planned), 1)
    return planned.fault
  }
}
