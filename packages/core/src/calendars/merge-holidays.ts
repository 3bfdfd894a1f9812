import type { Holiday } from '@parley/domain'

/** `holidays` is the calendar's list with what was added; `present` was closed already. */
export type MergedHolidays = { holidays: Holiday[]; added: Holiday[]; present: Holiday[] }

/** Adds what closes anything that is not closed yet, whatever it is called; none is taken away. */
export function mergeHolidays(own: Holiday[], found: Holiday[]): MergedHolidays {
  const byDate = new Map<string, Holiday[]>()
  const merged: MergedHolidays = { holidays: [], added: [], present: [] }
  const keep = (holiday: Holiday) => {
    merged.holidays.push(holiday)
    byDate.set(holiday.date, [...(byDate.get(holiday.date) ?? []), holiday])
  }
  for (const holiday of own) keep(holiday)
  for (const holiday of found) {
    const yearly = holiday.date.slice(-'MM-DD'.length)
    const there = [...(byDate.get(holiday.date) ?? []), ...(byDate.get(yearly) ?? [])]
    if (there.some(one => contains(one, holiday))) merged.present.push(holiday)
    else {
      keep(holiday)
      merged.added.push(holiday)
    }
  }
  return merged
}

/** Whether the hours of one contain those of the other; times of day compare as texts. */
function contains(outer: Holiday, inner: Holiday): boolean {
  const [from, until] = hoursOf(outer)
  const [start, end] = hoursOf(inner)
  return from <= start && until >= end
}

const hoursOf = ({ closed_from = '00:00', closed_until = '24:00' }: Holiday) => [closed_from, closed_until] as const
