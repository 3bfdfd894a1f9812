/** However it is used, a session ends after this. */
export const SESSION_SECONDS = 30 * 24 * 3600
/** And sooner when nobody uses it for so long: a week off does not sign anybody out, a lost laptop does. */
export const SESSION_IDLE_SECONDS = 7 * 24 * 3600

/** In characters as people count them, after NFKC. */
export const PASSWORD_LENGTH = { least: 12, most: 256 } as const

/** How soon somebody who failed to sign in may try again. */
export type Backoff = { free: number }
/** By account: mistakes come in twos and threes, guesses in thousands. */
export const ACCOUNT_BACKOFF: Backoff = { free: 5 }
/** By address: a whole office may share one. */
export const ADDRESS_BACKOFF: Backoff = { free: 30 }
/** By the token of a link: several people may open one at once. */
export const LINK_BACKOFF: Backoff = { free: 10 }
/** Nobody is kept out for longer than this by somebody else's guesses. */
const LONGEST_PAUSE_SECONDS = 900
/** So long after the last failure they are forgotten. */
export const FAILURES_FORGOTTEN_SECONDS = 24 * 3600

/** Seconds until the next try after so many failures in a row: none at first, then doubling. */
export function pauseAfter(failures: number, { free }: Backoff): number {
  return failures < free ? 0 : Math.min(2 ** Math.min(failures - free, 20), LONGEST_PAUSE_SECONDS)
}

/** For how long an invitation can be accepted. */
export const INVITATION_SECONDS = 7 * 24 * 3600
/** For how long a link for a new password opens. */
export const PASSWORD_RESET_SECONDS = 24 * 3600
