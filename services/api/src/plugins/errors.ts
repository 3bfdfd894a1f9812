import { EgressBlocked, InvalidSignature, MalformedPayload } from '@parley/connectors'
import { isConnectionLost, sqlState } from '@parley/db'
import { DomainError } from '@parley/domain'
import type { FastifyError } from 'fastify'
import fp from 'fastify-plugin'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { domainProblem, type ProblemDraft, sendProblem } from './problem.ts'
import { type SchemaIssue, validationProblem } from './validation-problem.ts'

const UNAVAILABLE: ProblemDraft = {
  code: 'unavailable',
  status: 503,
  title: 'Unavailable',
  detail: 'Nothing was changed for certain; try again with the same Idempotency-Key.',
  headers: { 'retry-after': '1' },
}

/** Turns everything thrown into problem+json. A 500 tells the caller nothing and the log everything. */
export const errorsPlugin = fp(async app => {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const draft = describe(error)
    if (draft.status >= 500) request.log.error({ err: error }, 'request failed')
    return sendProblem(request, reply, draft)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, domainProblem(new DomainError('not_found', 'There is no such resource.'))),
  )
})

function describe(error: FastifyError): ProblemDraft {
  if (error instanceof DomainError) return domainProblem(error)
  if (error instanceof InvalidSignature) return domainProblem(new DomainError('invalid_signature', error.message))
  if (error instanceof EgressBlocked) return domainProblem(new DomainError('validation_failed', error.message))
  if (error instanceof MalformedPayload) {
    return { code: 'invalid_request', status: 400, title: 'Invalid request', detail: error.message }
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    return validationProblem(error as unknown as { validation: SchemaIssue[]; validationContext?: string })
  }
  return sqlProblem(error) ?? frameworkProblem(error) ?? { code: 'internal', status: 500, title: 'Internal error' }
}

/** What Postgres refused, by SQLSTATE; its own words stay in the log. */
function sqlProblem(error: Error): ProblemDraft | undefined {
  const state = sqlState(error)
  if (state === '23505') {
    return { code: 'conflict', status: 409, title: 'Conflict', detail: 'Something with this name exists already.' }
  }
  if (state === '23503') {
    return {
      code: 'validation_failed',
      status: 422,
      title: 'Validation failed',
      detail: 'An id in the request names nothing.',
    }
  }
  // Cancelled, lock not available, shutting down, too many connections, connection lost.
  if (state && /^(57014|55P03|57P0|53|08|25P03)/.test(state)) return UNAVAILABLE
  if (state && /^22/.test(state)) return { code: 'validation_failed', status: 422, title: 'Validation failed' }
  return isConnectionLost(error) ? UNAVAILABLE : undefined
}

const FRAMEWORK: Record<number, Omit<ProblemDraft, 'status'>> = {
  400: { code: 'invalid_request', title: 'Invalid request' },
  404: { code: 'not_found', title: 'Not found' },
  405: { code: 'method_not_allowed', title: 'Method not allowed' },
  408: { code: 'request_timeout', title: 'Request timeout' },
  413: { code: 'payload_too_large', title: 'Payload too large' },
  414: { code: 'uri_too_long', title: 'URI too long' },
  415: { code: 'unsupported_media_type', title: 'Unsupported media type' },
  431: { code: 'headers_too_large', title: 'Headers too large' },
}

export function frameworkProblem(error: FastifyError): ProblemDraft | undefined {
  const status = error.statusCode ?? 0
  if (error.code === 'FST_ERR_MALFORMED_JSON') {
    return { code: 'malformed_json', status: 400, title: 'Malformed JSON', detail: error.message }
  }
  const known = FRAMEWORK[status]
  return known && { ...known, status }
}
