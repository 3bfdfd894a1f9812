import { type NewEvent, newId, type SlaClock, type SlaPromise } from '@parley/db'
import {
  type Actor,
  type CompiledCalendar,
  type ConversationPriority,
  type ConversationStatus,
  countedBy,
  targetSeconds,
} from '@parley/domain'
import { aboutClock, asStarted } from './clock-events.ts'
import { compiledCalendar, promisedClock, timesOf, topLevelSince } from './promises.ts'

/** A conversation as it is now, as far as its clocks look at it. */
export type Clocked = {
  id: string
  inbox_id: string
  status: ConversationStatus
  priority: ConversationPriority
  assignee_id: string | null
  team_id: string | null
  /** Since when somebody waits. */
  waiting_since: Date | null
  /** Whose it was until now, where that has just changed. */
  was?: Pick<SlaClock, 'owner_id' | 'team_id'> | undefined
}

/** Whether a clock has fallen due, and nobody has recorded it. */
export const isOverdue = ({ state, breached_at, due_at }: SlaClock, now: Date): boolean =>
  state === 'running' && !breached_at && due_at < now

/** What becomes of the clocks of one conversation. */
export type ClockSteps = {
  changed: SlaClock[]
  started: Omit<SlaClock, 'workspace_id'>[]
  events: NewEvent[]
}

type StartedClock = {
  ordinal: number
  /** The last one of its kind, which a reopened conversation's resolution goes on from. */
  before?: SlaClock | undefined
  /** It comes under this policy by the change, and not by what began it: it falls due now at the earliest. */
  entered?: boolean
  /** Whose it is; null: the conversation's. */
  message_id?: string | null
}

/** One conversation, whose clocks take their steps at one moment. */
export class ClockStepper {
  readonly steps: ClockSteps = { changed: [], started: [], events: [] }
  readonly now: Date
  readonly #conversation: Clocked
  readonly #actor: Actor

  constructor(conversation: Clocked, actor: Actor, now: Date) {
    this.#conversation = conversation
    this.#actor = actor
    this.now = now
  }

  /** Ends a clock because what it measured has come about. Late is both: breached and fulfilled. */
  fulfil(clock: SlaClock): SlaClock {
    const fulfilled_at = this.now
    const credit = this.#credit(clock)
    const data = { ...aboutClock(clock), assignee_id: credit.owner_id, team_id: credit.team_id }
    this.#tell('sla.fulfilled', { ...data, fulfilled_at, late: clock.breached_at !== null })
    return this.#change(clock, { state: 'fulfilled', fulfilled_at, ...(clock.breached_at ? {} : credit) })
  }

  cancel(clock: SlaClock, reason: string): SlaClock {
    this.#tell('sla.cancelled', { ...aboutClock(clock), reason })
    return this.#change(clock, { state: 'cancelled', cancelled_at: this.now, cancelled_reason: reason })
  }

  /** Records a breach that no tick has seen yet, with whose the conversation was until now. */
  breach(clock: SlaClock): SlaClock {
    const credit = this.#conversation.was ?? this.#credit(clock)
    const data = { ...aboutClock(clock), owner_id: credit.owner_id, assignee_id: credit.owner_id }
    this.#tell('sla.breached', { ...data, team_id: credit.team_id })
    return this.#change(clock, { breached_at: clock.due_at, detected_at: this.now, ...credit })
  }

  pause(clock: SlaClock, calendar: CompiledCalendar): SlaClock {
    const counted_ms = countedBy(calendar, clock, this.now)
    const paused = this.#change(clock, { state: 'paused', paused_at: this.now, counted_ms })
    this.#tell('sla.paused', { ...aboutClock(paused), counted_ms, reason: this.#conversation.status })
    return paused
  }

  resume(clock: SlaClock, promise: SlaPromise): SlaClock {
    const paused_ms = clock.paused_ms + (this.now.getTime() - (clock.paused_at ?? this.now).getTime())
    const run = { ...clock, running_since: this.now }
    const calendar = compiledCalendar(promise, promise.calendar)
    // What fell due before stays so.
    const times = clock.breached_at ? {} : timesOf(calendar, run, clock.warnings)
    const going = this.#change(clock, {
      ...{ state: 'running', paused_at: null, paused_ms, running_since: this.now },
      ...times,
    })
    this.#tell('sla.resumed', aboutClock(going), { due_at: clock.due_at })
    return going
  }

  /**
   * Gives a clock the target of another priority: it started when it did and stood still as long as it did. One that had
   * passed by then falls due now: nobody is blamed for the time before the stricter promise.
   */
  retarget(clock: SlaClock, promise: SlaPromise): SlaClock {
    const { priority } = this.#conversation
    const target = promise.targets[clock.metric]
    if (!target || clock.priority === priority) return clock
    const target_seconds = targetSeconds(target, priority)
    if (target_seconds === clock.target_seconds) return this.#change(clock, { priority })
    const run = { ...clock, target_seconds }
    const times = timesOf(compiledCalendar(promise, promise.calendar), run, target.warn_before_seconds ?? [])
    const change = { ...times, target_seconds, priority, due_at: this.#notBefore(times.due_at), cause: 'retargeted' }
    // What stands still falls due when it goes on.
    const retargeted = this.#change(clock, change)
    this.#tell('sla.retargeted', { ...aboutClock(retargeted), reason: 'priority' }, { due_at: clock.due_at })
    return retargeted
  }

  /**
   * Moves a clock to the version of its policy and calendar that counts now; start and pauses stay. What would have been due
   * by then is due now.
   */
  renew(clock: SlaClock, promise: SlaPromise): SlaClock {
    const { priority } = this.#conversation
    const target = promise.targets[clock.metric]
    if (!target) return this.cancel(clock, 'policy_removed')
    const { policy_version, calendar_id, calendar_version } = promise
    const run = { ...clock, target_seconds: targetSeconds(target, priority) }
    const times = timesOf(compiledCalendar(promise, promise.calendar), run, target.warn_before_seconds ?? [])
    const due_at = this.#notBefore(times.due_at)
    const versions = { policy_version, calendar_id, calendar_version, priority, target_seconds: run.target_seconds }
    const top_level_since = topLevelSince(promise, clock.metric, clock.top_level_since ?? this.now)
    const renewed = this.#change(clock, { ...versions, ...times, due_at, top_level_since, cause: 'recalculated' })
    const previous = { due_at: clock.due_at, policy_version: clock.policy_version }
    this.#tell('sla.recalculated', { ...aboutClock(renewed), calendar_id, calendar_version }, previous)
    return renewed
  }

  /**
   * Lets a clock go on under another policy, from its original start; one that would have been due by then is due now.
   * Where that policy promises nothing for it, it ends.
   */
  enter(clock: SlaClock, promise: SlaPromise | undefined): SlaClock {
    const left = this.cancel(clock, 'policy_removed')
    const { priority } = this.#conversation
    const promised = promise && promisedClock(promise, clock.metric, priority, clock.started_at)
    if (!promised) return left
    const { wait_id, contact_id, message_id, metric, ordinal, state, counted_ms, running_since, paused_at, paused_ms } =
      clock
    const stood = { state, counted_ms, running_since, paused_at, paused_ms }
    const calendar = compiledCalendar(promise, promise.calendar)
    const warnings = promise.targets[metric]?.warn_before_seconds ?? []
    const times = timesOf(calendar, { ...promised, counted_ms, running_since }, warnings)
    const due_at = this.#notBefore(times.due_at)
    // What was said before it came under this policy is judged by the one of then.
    const top_level_since = topLevelSince(promise, metric, clock.top_level_since ?? this.now)
    const entered = { ...promised, ...stood, ...times, due_at, top_level_since, cause: 'policy_applied' }
    return this.#start(entered, { wait_id, contact_id, message_id, metric, ordinal }) as SlaClock
  }

  start(
    promise: SlaPromise,
    metric: SlaClock['metric'],
    started_at: Date,
    { ordinal, before, entered = false, message_id = null }: StartedClock,
  ): void {
    const promised = promisedClock(promise, metric, this.#conversation.priority, started_at)
    if (!promised) return
    const which = { wait_id: null, contact_id: null, message_id, metric, ordinal }
    if (!before) {
      const late = entered && promised.due_at < this.now
      this.#start(late ? { ...promised, due_at: this.now, cause: 'policy_applied' } : promised, which)
      return
    }
    const calendar = compiledCalendar(promise, promise.calendar)
    // Of a breach that is recorded the time until then is all that counts.
    const until = before.paused_at ?? before.fulfilled_at ?? this.now
    const counted_ms = before.paused_at ? before.counted_ms : countedBy(calendar, before, until)
    const run = { ...promised, counted_ms, running_since: this.now }
    const paused_ms = before.paused_ms + (this.now.getTime() - until.getTime())
    const warnings = promise.targets[metric]?.warn_before_seconds ?? []
    this.#start(
      { ...promised, ...timesOf(calendar, run, warnings), paused_ms, counted_ms, running_since: this.now },
      which,
    )
  }

  #start(
    promised: ReturnType<typeof promisedClock> & Partial<SlaClock>,
    which: Pick<SlaClock, 'wait_id' | 'contact_id' | 'message_id' | 'metric' | 'ordinal'>,
  ): Omit<SlaClock, 'workspace_id'> {
    const { id: conversation_id, inbox_id, team_id } = this.#conversation
    const clock = {
      ...NOTHING_YET,
      ...promised,
      ...which,
      ...{ id: newId(this.now), conversation_id, inbox_id },
      // Whose it is to be done with.
      team_id: which.metric === 'team_ownership' ? team_id : null,
    }
    this.steps.started.push(clock)
    this.#tell('sla.started', asStarted(clock))
    return clock
  }

  #change(clock: SlaClock, change: Partial<SlaClock>): SlaClock {
    const next = { ...clock, ...change }
    const { changed, started } = this.steps
    const known = [started, changed].find(list => list.some(({ id }) => id === clock.id)) ?? changed
    const place = known.findIndex(({ id }) => id === clock.id)
    if (place === -1) changed.push(next)
    else known[place] = next
    return next
  }

  #tell(type: NewEvent['type'], data: Record<string, unknown>, previous?: Record<string, unknown>): void {
    const event = { type, at: this.now, actor: this.#actor, conversation_id: this.#conversation.id, data }
    this.steps.events.push(previous ? { ...event, previous } : event)
  }

  #notBefore(due_at: Date): Date {
    return due_at < this.now ? this.now : due_at
  }

  /** Whose it is at the time of the outcome. */
  #credit({ metric, team_id: holder }: SlaClock) {
    const { assignee_id: owner_id, team_id } = this.#conversation
    return { owner_id, team_id: metric === 'team_ownership' ? holder : team_id }
  }
}

const NOTHING_YET = {
  state: 'running' as const,
  counted_ms: 0,
  running_since: null,
  paused_at: null,
  paused_ms: 0,
  cause: null,
  breached_at: null,
  detected_at: null,
  fulfilled_at: null,
  fulfilled_by_message_id: null,
  cancelled_at: null,
  cancelled_reason: null,
  owner_id: null,
}
