import { type Calendar, compileCalendar, dueAt, localText, openIntervals, openSeconds } from '@parley/domain'
import { refuseImpossible } from './refuse-impossible.ts'

export type PreviewQuestion = {
  definition: Calendar
  from: Date
  to: Date
  /** A target that starts then, or none. */
  target?: { start: Date; seconds: number } | undefined
}
type Moment = { at: Date; local: string }
export type CalendarPreview = {
  time_zone: string
  open_seconds: number
  intervals: { start: Moment; end: Moment }[]
  due: Moment | null
}

/**
 * When hours would be open between two instants, and when a target that starts at `start` would be due in them.
 * @throws DomainError `validation_failed`, naming the entry of the definition or the target
 */
export function previewCalendar({ definition, from, to, target }: PreviewQuestion): CalendarPreview {
  return refuseImpossible(() => {
    const compiled = compileCalendar(definition)
    const moment = (at: Date): Moment => ({ at, local: localText(compiled.time_zone, at) })
    const intervals = openIntervals(compiled, from, to)
    return {
      time_zone: compiled.time_zone,
      open_seconds: openSeconds(compiled, from, to),
      intervals: intervals.map(({ start, end }) => ({ start: moment(start), end: moment(end) })),
      due: target ? moment(dueAt(compiled, target.start, target.seconds)) : null,
    }
  })
}
