export { acceptInbound } from './accept-inbound.ts'
export { acknowledgeOutbox } from './acknowledge-outbox.ts'
export { addNote } from './add-note.ts'
export { applyInbound, type NormalisedEvent } from './apply-inbound.ts'
export { assignConversation } from './assign-conversation.ts'
export { bootstrapWorkspace, keyHint } from './bootstrap-workspace.ts'
export { breachClocks } from './breach-clocks.ts'
export { changeConversationStatus } from './change-conversation-status.ts'
export { createAdminKey } from './create-admin-key.ts'
export { createCalendar, createPolicy } from './create-policy.ts'
export { openChannel } from './open-channel.ts'
export { type Delivery, queueReply } from './queue-reply.ts'
export type { ReplyOutcome } from './record-reply-outcome.ts'
export { channelContext, seal, unseal } from './seal.ts'
export {
  beginSendAttempt,
  finishSendAttempt,
  postponeReply,
  refuseReply,
  type SendTask,
  takeSendTask,
} from './send-reply.ts'
export { storableText } from './storable-text.ts'
