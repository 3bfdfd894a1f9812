/**
 * When a customer's wait begins: the network's time of their message, clamped into
 * [channel connected, received]. A stamp from the future becomes the time of receipt; nobody waits on a channel that
 * was not connected yet.
 */
export function clockTime(occurred_at: Date, received_at: Date, channel_connected_at: Date): Date {
  if (occurred_at >= received_at) return received_at
  if (occurred_at >= channel_connected_at) return occurred_at
  return channel_connected_at < received_at ? channel_connected_at : received_at
}

export const SLA_METRICS = ['first_response', 'next_response'] as const
export type SlaMetric = (typeof SLA_METRICS)[number]

export const CLOCK_STATES = ['running', 'fulfilled', 'cancelled'] as const
export type ClockState = (typeof CLOCK_STATES)[number]

/** A customer's first wait in a conversation is for the first response, each later one for the next response. */
export function metricOfWait(ordinal: number): SlaMetric {
  return ordinal === 1 ? 'first_response' : 'next_response'
}

/** Met is inclusive: an answer in the very millisecond the target falls due has kept the promise. */
export function isBreached(due_at: Date, fulfilled_at: Date): boolean {
  return fulfilled_at > due_at
}
