import type { Problem } from '@parley/contracts'
import type { DomainError, DomainErrorCode } from '@parley/domain'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SECURITY_HEADERS } from './security-headers.ts'

type Kind = { status: number; title: string }

/** The one table from refusals to HTTP. */
const DOMAIN: Record<DomainErrorCode, Kind> = {
  not_found: { status: 404, title: 'Not found' },
  channel_gone: { status: 410, title: 'Channel gone' },
  channel_not_active: { status: 409, title: 'Channel not active' },
  backfill_running: { status: 409, title: 'Backfill running' },
  history_unavailable: { status: 422, title: 'History unavailable' },
  invalid_signature: { status: 401, title: 'Invalid signature' },
  invalid_cursor: { status: 400, title: 'Invalid cursor' },
  conflict: { status: 409, title: 'Conflict' },
  already_assigned: { status: 409, title: 'Already assigned' },
  conversation_merged: { status: 409, title: 'Conversation merged' },
  newer_messages: { status: 409, title: 'Newer messages' },
  version_mismatch: { status: 412, title: 'Version mismatch' },
  precondition_required: { status: 428, title: 'Precondition required' },
  idempotency_key_required: { status: 400, title: 'Idempotency key required' },
  idempotency_key_reused: { status: 422, title: 'Idempotency key reused' },
  idempotency_in_progress: { status: 409, title: 'Idempotency key in use' },
  reply_refused: { status: 422, title: 'Reply refused' },
  action_refused: { status: 422, title: 'Action refused' },
  validation_failed: { status: 422, title: 'Validation failed' },
  payload_too_large: { status: 413, title: 'Payload too large' },
  forbidden: { status: 403, title: 'Forbidden' },
  unauthenticated: { status: 401, title: 'Unauthenticated' },
  second_factor_required: { status: 401, title: 'Second factor required' },
  too_many_streams: { status: 429, title: 'Too many streams' },
  too_many_attempts: { status: 429, title: 'Too many attempts' },
  too_busy: { status: 503, title: 'Too busy' },
}

/** A moment later it may be otherwise. */
const SOON = new Set<DomainErrorCode>(['idempotency_in_progress', 'too_busy'])

export type ProblemDraft = Kind & {
  code: string
  detail?: string | undefined
  errors?: { pointer: string; detail: string }[] | undefined
  details?: Record<string, unknown> | undefined
  headers?: Record<string, string> | undefined
}

export function domainProblem(error: DomainError): ProblemDraft {
  const seconds = error.details?.retry_after_seconds ?? (SOON.has(error.code) ? 1 : undefined)
  const headers = seconds === undefined ? undefined : { 'retry-after': String(seconds) }
  return { ...DOMAIN[error.code], code: error.code, detail: error.message, details: error.details, headers }
}

/** `type` is a stable name that clients compare; it is not meant to be opened. */
export function problemBody(draft: ProblemDraft, instance: string): Problem {
  return {
    ...draft.details,
    type: `urn:parley:problem:${draft.code.replaceAll('_', '-')}`,
    title: draft.title,
    status: draft.status,
    detail: draft.detail,
    instance,
    errors: draft.errors ?? (draft.details?.errors as Problem['errors']),
  }
}

/** Answers with a problem. The body is written here, whatever the route's own schemas say. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, draft: ProblemDraft): FastifyReply {
  return (
    reply
      .code(draft.status)
      // A request that found no route has passed no hook.
      .headers({ ...SECURITY_HEADERS, ...draft.headers })
      .type('application/problem+json')
      .serializer(payload => JSON.stringify(payload))
      .send(problemBody(draft, request.id))
  )
}
