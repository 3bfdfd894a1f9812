export * from './actor.ts'
export * from './attachment.ts'
export * from './attribute.ts'
export * from './capabilities.ts'
export * from './channel.ts'
export * from './channel-health.ts'
export * from './conversation.ts'
export * from './disposition.ts'
export * from './errors.ts'
export * from './message.ts'
export * from './message-batch.ts'
export * from './person.ts'
export * from './post/post.ts'
export { similarText } from './post/similar-text.ts'
export {
  minuteOf,
  SURGE_BASELINE_MINUTES,
  SURGE_WINDOW_MINUTES,
  type Surge,
  type SurgeState,
  surgeOf,
} from './post/surge.ts'
export * from './report/quarter-hours.ts'
export * from './report/reports.ts'
export * from './report/sla-summary.ts'
export * from './report/time-buckets.ts'
export * from './routing.ts'
export * from './rules/action.ts'
export { type AttributeCondition, attributeConditionProblem } from './rules/attribute-condition.ts'
export * from './rules/condition.ts'
export * from './rules/trigger.ts'
export * from './saved-reply.ts'
export { parseSearch, type SearchQuery, websearchText } from './search/query.ts'
export { refused as searchRefused } from './search/refusal.ts'
export * from './sign-in.ts'
export {
  alwaysOpen,
  type Calendar,
  CalendarError,
  type CompiledCalendar,
  canonicalTimeZone,
  compileCalendar,
  dueAfter,
  dueAt,
  type Holiday,
  localText,
  localTime,
  openIntervals,
  openSeconds,
} from './sla/calendar.ts'
export * from './sla/clock.ts'
export * from './sla/difference.ts'
export * from './sla/explain.ts'
export * from './sla/forecast.ts'
export * from './sla/metric.ts'
export * from './sla/policy.ts'
export * from './sla/wait.ts'
export * from './sla/window.ts'
export * from './subject.ts'
export * from './text/clean-text.ts'
export { composed } from './text/composed.ts'
export { safeFileName } from './text/file-name.ts'
export { splitText } from './text/split-text.ts'
export * from './triage/assessment.ts'
export { explainReason, wordsAt } from './triage/explain.ts'
export { messageContent, speechOf } from './triage/message-content.ts'
export * from './triage/proposal.ts'
export * from './visibility.ts'
