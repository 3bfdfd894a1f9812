export const DAY_MS = 86_400_000

/** '2027-01-01' or '2027-01-01T09:00:00', with or without Z, as if its clocks showed UTC; undefined for what is none. */
export function wallOf(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)Z?)?$/.exec(text)
  if (!match) return undefined
  const [, date, time = '00:00:00'] = match
  // A leap second is the last one of its minute here.
  const wall = new Date(`${date}T${time.replace(/60$/, '59')}Z`)
  // Date takes 30 February for a day in March.
  return Number.isNaN(wall.getTime()) || !wall.toISOString().startsWith(date!) ? undefined : wall.getTime()
}
