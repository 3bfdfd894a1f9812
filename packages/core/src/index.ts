export { type AcceptedCount, acceptInbound, ledgerEntries } from './accept-inbound.ts'
export { acknowledgeOutbox } from './acknowledge-outbox.ts'
export { addNote } from './add-note.ts'
export { applyInbound } from './apply-inbound.ts'
export { assignConversation } from './assign-conversation.ts'
export { bootstrapWorkspace, keyHint } from './bootstrap-workspace.ts'
export { breachClocks } from './breach-clocks.ts'
export { cancelAction } from './cancel-action.ts'
export { pauseChannel, resumeChannel } from './change-channel-status.ts'
export { changeConversationStatus } from './change-conversation-status.ts'
export { archiveSavedReply, changeSavedReply } from './change-saved-reply.ts'
export { recordCall } from './channel-breaker.ts'
export { createAdminKey } from './create-admin-key.ts'
export { createCalendar, createPolicy } from './create-policy.ts'
export { createSavedReply } from './create-saved-reply.ts'
export { cancelReply, markNotSent, markSent, retryReply } from './decide-reply.ts'
export { deleteChannel } from './delete-channel.ts'
export { discardDraft } from './discard-draft.ts'
export { discardManyParked, discardParked } from './discard-parked.ts'
export { doubtOutbox } from './doubt-outbox.ts'
export { cancelBackfill, finishBackfill } from './finish-backfill.ts'
export { DELETION_STUCK_MS, keepBlob } from './keep-blob.ts'
export { ALL_LANES } from './lanes.ts'
export { openChannel } from './open-channel.ts'
export { type ActionDraft, queueAction } from './queue-action.ts'
export { type Delivery, queueReply } from './queue-reply.ts'
export type { NormalisedEvent } from './read-batch.ts'
export { completenessPeriod, readCompleteness } from './read-completeness.ts'
export type { ReplyOutcome } from './record-reply-outcome.ts'
export { renderSavedReply } from './render-saved-reply.ts'
export { oldRepliesTold, resumeSending } from './resume-sending.ts'
export { retryFeedFailure } from './retry-feed-failure.ts'
export { retryManyParked, retryParked } from './retry-parked.ts'
export { describeDraft, saveDraft } from './save-draft.ts'
export { channelContext, seal, unseal } from './seal.ts'
export { type ActionResult, type ActionTask, finishAction, takeActionTask } from './send-action.ts'
export { callDeadline } from './send-lease.ts'
export {
  beginDoubt,
  beginSendAttempt,
  closeQueuedReply,
  finishSendAttempt,
  postponeReply,
  type SendQueued,
  type SendTask,
  takeSendTask,
} from './send-reply.ts'
export { startBackfill } from './start-backfill.ts'
export { storableText } from './storable-text.ts'
