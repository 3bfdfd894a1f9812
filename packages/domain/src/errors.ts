/**
 * A refusal that the caller can understand and act on. `code` is stable and becomes the problem type of the answer;
 * nothing here knows HTTP. Anything else that is thrown is a bug.
 */
export class DomainError extends Error {
  override name = 'DomainError'
  readonly code: DomainErrorCode
  /** Facts the caller needs to go on, safe to show: the newer messages, the present owner. */
  readonly details: Record<string, unknown> | undefined

  constructor(code: DomainErrorCode, message: string, details?: Record<string, unknown>) {
    super(message)
    this.code = code
    this.details = details
  }
}

export type DomainErrorCode =
  | 'not_found'
  | 'channel_gone'
  | 'channel_not_active'
  | 'backfill_running'
  | 'history_unavailable'
  | 'invalid_signature'
  | 'invalid_cursor'
  | 'conflict'
  | 'already_assigned'
  | 'conversation_merged'
  | 'newer_messages'
  | 'version_mismatch'
  | 'precondition_required'
  | 'idempotency_key_required'
  | 'idempotency_key_reused'
  | 'idempotency_in_progress'
  | 'reply_refused'
  | 'action_refused'
  | 'validation_failed'
  | 'payload_too_large'
  | 'forbidden'
  | 'unauthenticated'
  | 'second_factor_required'
  | 'too_many_attempts'
  | 'too_many_streams'
  | 'too_busy'

/** What was asked of a conversation whose messages are in another one now; it is named. */
export class ConversationMerged extends DomainError {
  constructor(merged_into_id: string) {
    super('conversation_merged', 'This conversation was merged into another one.', { merged_into_id })
  }
}

/** Absent here means absent or another workspace's: the caller cannot tell which. */
export class NotFound extends DomainError {
  constructor(what: string) {
    super('not_found', `There is no such ${what}.`)
  }
}
