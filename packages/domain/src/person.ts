export const USER_STATUSES = ['active', 'disabled'] as const
export type UserStatus = (typeof USER_STATUSES)[number]

/** Whether somebody takes new work. Away is for now; out of office is until a day, and hands back what is open. */
export const AVAILABILITIES = ['available', 'away', 'out_of_office'] as const
export type Availability = (typeof AVAILABILITIES)[number]

/** Somebody who said until when they are out of office is available again from then on, without saying so. */
export function availabilityAt(
  user: { availability: Availability; out_of_office_until: Date | null },
  now: Date,
): { availability: Availability; out_of_office_until: Date | null } {
  const { availability, out_of_office_until } = user
  const isOver = availability === 'out_of_office' && out_of_office_until !== null && out_of_office_until <= now
  return isOver
    ? { availability: 'available', out_of_office_until: null }
    : { availability, out_of_office_until: availability === 'out_of_office' ? out_of_office_until : null }
}
