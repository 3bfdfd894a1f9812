/**
 * How a file of a message stands. pending: to be fetched · stored: here · refused: it will not be kept, and `reason`
 * says why · failed: it could not be had.
 */
export const ATTACHMENT_STATES = ['pending', 'stored', 'refused', 'failed'] as const
export type AttachmentState = (typeof ATTACHMENT_STATES)[number]
