import { createHash } from 'node:crypto'
import { answerContext, seal, unseal } from '@parley/core'
import { findStoredAnswer, lockIdempotencyKey, storeAnswer, type Trx } from '@parley/db'
import { DomainError } from '@parley/domain'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * `required` where a repeat would be seen by customers. Elsewhere a POST may carry a key, but where its body holds a
     * password: of that no hash is kept that is fast to guess from.
     */
    idempotency?: 'required' | 'none'
  }
}

const NO_CONTENT = 204
const KEY = /^[A-Za-z0-9_:.-]{8,255}$/

/** How one write is answered; `headers` are stored with the answer. */
export type EffectOptions<T> = {
  status: number | ((result: T) => number)
  headers?: (result: T) => Record<string, string>
}

/**
 * Runs a write in one transaction of the caller's workspace and answers it. With an Idempotency-Key the answer is
 * stored in that same transaction, so a repeat gets the stored answer and never a second effect, whatever died in
 * between.
 * @returns the result, for hints after the answer; undefined when a stored answer was given
 */
export async function applyEffect<T>(
  ctx: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  options: EffectOptions<T>,
  work: (trx: Trx) => Promise<T>,
): Promise<T | undefined> {
  const { workspace_id, id: credential_id } = request.credential
  const key = idempotencyKey(request)
  const answerWith = (result: T) => {
    const status = typeof options.status === 'function' ? options.status(result) : options.status
    const body =
      status === NO_CONTENT ? '' : String(reply.serializeInput(result as Record<string, unknown>, String(status)))
    return { result, status, headers: options.headers?.(result) ?? {}, body }
  }
  const answer = await ctx.db.inWorkspace(workspace_id, async trx => {
    if (!key) return answerWith(await work(trx))
    const scope = { credential_id, route: `${request.method} ${request.routeOptions.url}`, key }
    const context = answerContext(workspace_id, scope)
    const fingerprint = fingerprintOf(request)
    if (!(await lockIdempotencyKey(trx, scope))) {
      throw new DomainError('idempotency_in_progress', 'A request with this Idempotency-Key is still running.')
    }
    const stored = await findStoredAnswer(trx, scope)
    if (stored) {
      if (!stored.fingerprint.equals(fingerprint)) {
        throw new DomainError('idempotency_key_reused', 'This Idempotency-Key was used for another request.')
      }
      const headers = { ...(stored.headers as Record<string, string>), 'idempotency-replayed': 'true' }
      const body = unseal(ctx.config.PARLEY_SECRET_KEY, context, Buffer.from(stored.body, 'base64')) as string
      return { result: undefined, status: stored.status, headers, body }
    }
    const given = answerWith(await work(trx))
    const { status, headers, body } = given
    // Sealed: an answer may hold a new key, which is shown once and otherwise only kept as a hash.
    const sealed = seal(ctx.config.PARLEY_SECRET_KEY, context, body).toString('base64')
    const row = { ...scope, fingerprint, status, headers: JSON.stringify(headers), body: sealed }
    await storeAnswer(trx, { ...row, created_at: ctx.now() })
    return given
  })
  // The body is serialised already, by the route's own schema.
  reply.code(answer.status).headers(answer.headers)
  if (answer.status === NO_CONTENT) reply.send()
  else reply.type('application/json; charset=utf-8').send(answer.body)
  ctx.wakeUps.publish(workspace_id)
  return answer.result
}

/** RFC draft and habit differ: with and without quotes is the same key. */
export function idempotencyKey(request: FastifyRequest): string | undefined {
  const { idempotency } = request.routeOptions.config
  if (request.method !== 'POST' || idempotency === 'none') return undefined
  const header = request.headers['idempotency-key']
  if (header === undefined) {
    if (idempotency !== 'required') return undefined
    throw new DomainError('idempotency_key_required', 'Send an Idempotency-Key: 8 to 255 letters, digits or _ : . -')
  }
  const key = typeof header === 'string' ? header.replace(/^"(.*)"$/, '$1') : ''
  if (!KEY.test(key)) {
    throw new DomainError('validation_failed', 'Idempotency-Key must be 8 to 255 letters, digits or _ : . -')
  }
  return key
}

/** What a call asks for, to know it again. */
export function fingerprintOf(request: FastifyRequest): Buffer {
  return createHash('sha256')
    .update(`${request.url}\n${JSON.stringify(request.body ?? null)}`)
    .digest()
}

/** The version the caller saw, from `If-Match: "3"`. */
export function expectedVersion(request: FastifyRequest): number {
  const header = request.headers['if-match']
  if (header === undefined) {
    throw new DomainError('precondition_required', 'Send If-Match with the ETag you read, so that no change gets lost.')
  }
  const version = /^"(\d{1,9})"$/.exec(header)?.[1]
  if (!version) throw new DomainError('version_mismatch', 'If-Match must be one strong ETag, such as "3".')
  return Number(version)
}

/** The version the caller saw, `any` for `If-Match: *`, undefined without one: for what may not be there yet. */
export function expectedVersionIfAny(request: FastifyRequest): number | 'any' | undefined {
  const header = request.headers['if-match']
  if (header === undefined) return undefined
  return header === '*' ? 'any' : expectedVersion(request)
}

export const etagOf = (row: { version: number }) => ({ etag: `"${row.version}"` })
