/**
 * How a file of a message stands. pending: to be fetched · stored: here · refused: it will not be kept, and `reason`
 * says why · failed: it could not be had · linked: a page or a stream elsewhere, never fetched.
 */
export const ATTACHMENT_STATES = ['pending', 'stored', 'refused', 'failed', 'linked'] as const
export type AttachmentState = (typeof ATTACHMENT_STATES)[number]
