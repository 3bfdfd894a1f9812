import {
  type Channel,
  type Conversation,
  findChannel,
  findPromise,
  listPromises,
  listTagsOf,
  type SlaClock,
  type SlaPromise,
  type Trx,
} from '@parley/db'
import {
  alwaysOpen,
  type Calendar,
  type ClockRun,
  type CompiledCalendar,
  type ConversationPriority,
  choosePolicy,
  compileCalendar,
  dueOf,
  mentionedFields,
  metricOfWait,
  nextWarning,
  type PolicyFacts,
  RESPONSE_METRICS,
  type SlaMetric,
  searchKey,
  targetSeconds,
} from '@parley/domain'

// Compiling a calendar costs as much as dozens of due times; a version of one never changes.
const compiled = new Map<string, CompiledCalendar>()
const MAX_COMPILED = 200

type CalendarVersion = Pick<SlaPromise, 'calendar_id' | 'calendar_version'>

/** The calendar of that version, compiled once. */
export function compiledCalendar(
  { calendar_id, calendar_version }: CalendarVersion,
  definition: unknown,
): CompiledCalendar {
  const key = `${calendar_id}:${calendar_version}`
  const known = compiled.get(key)
  if (known) return known
  if (compiled.size >= MAX_COMPILED) compiled.clear()
  const calendar = compileCalendar(definition as Calendar)
  compiled.set(key, calendar)
  return calendar
}

/** When windows of networks are counted: networks never close. */
export const ALWAYS_OPEN: CompiledCalendar = compileCalendar(alwaysOpen('UTC'))
/** How long before a window closes that is told, in seconds. */
export const WARN_OF_WINDOWS = [7_200]

// Nor does a version of a policy.
const started = new Map<string, SlaPromise>()

type PromiseVersions = Pick<SlaPromise, 'policy_id' | 'policy_version' | keyof CalendarVersion>

/** A clock that a policy has promised: every one but those of windows, which are the network's. */
export type PolicyClock = SlaClock & PromiseVersions

export const isPromised = <C extends Pick<SlaClock, 'policy_id'>>(clock: C): clock is C & PromiseVersions =>
  clock.policy_id !== null

/** What a clock was started with. */
export async function promiseOf(trx: Trx, clock: PromiseVersions): Promise<SlaPromise> {
  const key = [clock.policy_id, clock.policy_version, clock.calendar_id, clock.calendar_version].join()
  const known = started.get(key) ?? (await findPromise(trx, clock))!
  if (started.size >= MAX_COMPILED) started.clear()
  started.set(key, known)
  return known
}

/** The hours by which a clock counts. */
export async function hoursOf(
  trx: Trx,
  clock: Pick<SlaClock, 'policy_id' | 'policy_version' | 'calendar_id' | 'calendar_version'>,
): Promise<CompiledCalendar> {
  if (!isPromised(clock)) return ALWAYS_OPEN
  const promise = await promiseOf(trx, clock)
  return compiledCalendar(promise, promise.calendar)
}

/** A clock as it starts. */
export type PromisedClock = Pick<SlaPromise, 'policy_id' | 'policy_version' | keyof CalendarVersion> &
  Pick<SlaClock, 'started_at' | 'target_seconds' | 'due_at' | 'priority' | 'warnings' | 'warn_at' | 'top_level_since'>

/**
 * The clock of a promise to a conversation of that priority; undefined where nothing is promised for this metric, or it
 * would begin before the policy counts.
 */
export function promisedClock(
  promise: SlaPromise,
  metric: SlaMetric,
  priority: ConversationPriority,
  started_at: Date,
): PromisedClock | undefined {
  const { targets, enforce_from, policy_id, policy_version, calendar_id, calendar_version } = promise
  const target = targets[metric]
  if (!target || started_at < enforce_from) return undefined
  const run = { started_at, target_seconds: targetSeconds(target, priority), counted_ms: 0, running_since: null }
  return {
    ...{ policy_id, policy_version, calendar_id, calendar_version, priority, started_at },
    target_seconds: run.target_seconds,
    top_level_since: topLevelSince(promise, metric, started_at),
    ...timesOf(compiledCalendar(promise, promise.calendar), run, target.warn_before_seconds ?? []),
  }
}

/** Since when what we say at the top of a thread ends a clock: `from` where its policy says so. */
export function topLevelSince(promise: SlaPromise, metric: SlaMetric, from: Date): Date | null {
  const isResponse = (RESPONSE_METRICS as readonly SlaMetric[]).includes(metric)
  return isResponse && promise.top_level_reply_answers_all ? from : null
}

/** When a clock falls due, and when that is told next. */
export function timesOf(
  calendar: CompiledCalendar,
  run: ClockRun,
  warnings: number[],
): Pick<SlaClock, 'due_at' | 'warnings' | 'warn_at'> {
  const next = nextWarning(calendar, run, warnings)
  const left = next ? warnings.filter(seconds => seconds <= next.before_seconds).sort((a, b) => b - a) : []
  return { due_at: dueOf(calendar, run), warnings: left, warn_at: next?.at ?? null }
}

/** What may be promised to the conversations of a channel. */
export type Promises = {
  /** What their policies look at: a change of anything else changes no promise. */
  mentioned: Set<string>
  /** Whether any of them promises something of a conversation as a whole. */
  concernConversations: boolean
  promiseTo(facts: PolicyFacts): SlaPromise | undefined
  /** What a customer who begins to wait is promised, and for which metric. */
  clockFor(
    wait: { ordinal: number; opened_at: Date },
    facts: PolicyFacts,
  ): (PromisedClock & { metric: SlaMetric }) | undefined
  /** What policies look at of these conversations. Tags are read only where some policy asks for them. */
  factsOf(trx: Trx, conversations: FactsOf[]): Promise<Map<string, PolicyFacts>>
  /** The same of a conversation that begins. */
  factsOfNew: PolicyFacts
}
type FactsOf = Pick<Conversation, 'id' | 'inbox_id' | 'channel_id' | 'priority' | 'team_id' | 'language'>
/** Its kind is read where it is not known and some policy asks for it. */
type ChannelOf = Pick<Channel, 'id' | 'inbox_id'> & Partial<Pick<Channel, 'kind'>>

export async function loadPromises(trx: Trx, channel: ChannelOf): Promise<Promises> {
  const promises = await listPromises(trx, channel.inbox_id)
  const named = promises.find(promise => promise.named)?.policy_id ?? null
  const mentioned = new Set(promises.flatMap(({ conditions }) => [...mentionedFields(conditions ?? {})]))
  const promiseTo = (facts: PolicyFacts) => choosePolicy(promises, facts, named)
  const { id: channel_id, inbox_id } = channel
  const asksKind = channel.kind === undefined && mentioned.has('channel_kind')
  const channel_kind = channel.kind ?? (asksKind ? (await findChannel(trx, channel_id))!.kind : '')
  return {
    mentioned,
    concernConversations: promises.some(({ targets }) => OF_CONVERSATIONS.some(metric => targets[metric])),
    promiseTo,
    clockFor({ ordinal, opened_at }, facts) {
      const [promise, metric] = [promiseTo(facts), metricOfWait(ordinal)]
      const clock = promise && promisedClock(promise, metric, facts.priority, opened_at)
      return clock && { ...clock, metric }
    },
    async factsOf(trx, conversations) {
      const tags = mentioned.has('tag') ? await readTags(trx, conversations) : new Map<string, string[]>()
      return new Map(
        conversations.map(({ id, inbox_id, channel_id, priority, team_id, language }) => [
          id,
          { inbox_id, channel_id, channel_kind, priority, team_id, language, tags: tags.get(id) ?? [] },
        ]),
      )
    },
    factsOfNew: {
      ...{ inbox_id, channel_id, channel_kind, priority: 'normal', team_id: null, language: null, tags: [] },
    },
  }
}

/** What is promised of a conversation as a whole. */
export const OF_CONVERSATIONS = ['resolution', 'assignment', 'team_ownership'] as const

async function readTags(trx: Trx, conversations: { id: string }[]): Promise<Map<string, string[]>> {
  const tags = new Map<string, string[]>()
  if (conversations.length === 0) return tags
  const ids = conversations.map(({ id }) => id)
  for (const { conversation_id, name } of await listTagsOf(trx, ids))
    tags.set(conversation_id, [...(tags.get(conversation_id) ?? []), searchKey(name)])
  return tags
}
