export {
  Database,
  type DatabaseOptions,
  isConnectionLost,
  openDatabase,
  type SystemTrx,
  sqlState,
  type Trx,
} from './database.ts'
export type { IdPage } from './id-page.ts'
export { newId } from './ids.ts'
export { migrate, pendingMigrations } from './migrate.ts'
export * from './queries/api-keys.ts'
export * from './queries/assignments.ts'
export * from './queries/attachments.ts'
export * from './queries/attributes.ts'
export * from './queries/audit.ts'
export * from './queries/backfills.ts'
export * from './queries/blobs.ts'
export * from './queries/bulk-runs.ts'
export * from './queries/channel-listeners.ts'
export * from './queries/channel-outgoing.ts'
export * from './queries/channels.ts'
export {
  extendClaim,
  findInboxLease,
  type InboxLease,
  listWorkspacesWithLapsedClaims,
  lockLapsedClaims,
  lockNext,
} from './queries/claims.ts'
export * from './queries/completeness.ts'
export * from './queries/contact-erasures.ts'
export * from './queries/contact-exports.ts'
export * from './queries/contact-links.ts'
export * from './queries/contact-notes.ts'
export * from './queries/contact-records.ts'
export * from './queries/contacts.ts'
export * from './queries/conversation-counts.ts'
export * from './queries/conversation-includes.ts'
export {
  type ConversationFilter,
  type ConversationPosition,
  conversationPosition,
  listConversations,
} from './queries/conversation-list.ts'
export * from './queries/conversation-reads.ts'
export * from './queries/conversations.ts'
export * from './queries/credentials.ts'
export * from './queries/drafts.ts'
export * from './queries/erase-contact.ts'
export * from './queries/erase-records.ts'
export * from './queries/erased-ids.ts'
export * from './queries/events.ts'
export * from './queries/feed-cursors.ts'
export * from './queries/feed-failures.ts'
export * from './queries/idempotency-keys.ts'
export * from './queries/inbound-events.ts'
export * from './queries/inbound-messages.ts'
export * from './queries/inbox-members.ts'
export * from './queries/invitations.ts'
export * from './queries/ledger-backlog.ts'
export { type BoundedCount, type Lags, type LedgerState, readLedgerState } from './queries/ledger-state.ts'
export * from './queries/ledger-upkeep.ts'
export * from './queries/logins.ts'
export * from './queries/macros.ts'
export * from './queries/mail-threads.ts'
export * from './queries/message-actions.ts'
export * from './queries/messages.ts'
export * from './queries/note-mentions.ts'
export * from './queries/notifications.ts'
export * from './queries/owned-conversations.ts'
export * from './queries/parked-events.ts'
export * from './queries/participants.ts'
export * from './queries/poll-turns.ts'
export * from './queries/presence.ts'
export * from './queries/recovery-codes.ts'
export * from './queries/replies.ts'
export * from './queries/routing.ts'
export * from './queries/rule-facts.ts'
export * from './queries/rules.ts'
export * from './queries/saved-replies.ts'
export * from './queries/search.ts'
export * from './queries/search-index.ts'
export * from './queries/send-attempts.ts'
export * from './queries/send-epochs.ts'
export * from './queries/sessions.ts'
export * from './queries/sla-clocks.ts'
export * from './queries/sla-policies.ts'
export * from './queries/tags.ts'
export * from './queries/tasks.ts'
export * from './queries/teams.ts'
export * from './queries/users.ts'
export * from './queries/views.ts'
export * from './queries/visibility.ts'
export * from './queries/waits.ts'
export * from './queries/watchers.ts'
export * from './queries/workspaces.ts'
