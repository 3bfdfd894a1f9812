/**
 * What is promised. The first two are to a customer who waits, one of them at a time; the next three are about a
 * conversation: that it comes to an end, that somebody owns it, and that a team which has it is done with it; then one
 * about a message: that somebody deals with it after it was flagged. The last is no promise of ours: until when the network
 * takes an answer.
 */
export const SLA_METRICS = [
  'first_response',
  'next_response',
  'resolution',
  'assignment',
  'team_ownership',
  'moderation',
  'network_window',
] as const
export type SlaMetric = (typeof SLA_METRICS)[number]

/** Those for which policies have targets. */
export const PROMISED_METRICS = SLA_METRICS.filter(metric => metric !== 'network_window')

export const RESPONSE_METRICS = ['first_response', 'next_response'] as const satisfies SlaMetric[]
export type ResponseMetric = (typeof RESPONSE_METRICS)[number]

/** Those whose clocks may stand still while a conversation is in some state: no customer waits for what they measure. */
export const PAUSABLE_METRICS = ['resolution', 'team_ownership'] as const satisfies SlaMetric[]

/** A customer's first wait in a conversation is for the first response, each later one for the next response. */
export function metricOfWait(ordinal: number): ResponseMetric {
  return ordinal === 1 ? 'first_response' : 'next_response'
}
