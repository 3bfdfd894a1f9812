/**
 * log: a clock is not what its events say · figures: they say what its calendar and policy do not give · cause: nothing in
 * the log has brought about what they say.
 */
export const DIFFERENCE_LEVELS = ['log', 'figures', 'cause'] as const
export type DifferenceLevel = (typeof DIFFERENCE_LEVELS)[number]
