import {
  idParams,
  passwordBody,
  sessionList,
  type sessionView,
  signedInView,
  signInBody,
  userView,
} from '@parley/contracts'
import { endAllSessions, endSession, preparePasswordChange, provePassword, signIn, tooEarly } from '@parley/core'
import { findCredential, findUser, listOpenSessions, type Session } from '@parley/db'
import { DomainError, NotFound, SESSION_SECONDS } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { describeUser } from '../describe-user.ts'
import { peerAddress } from '../peer-address.ts'
import { personOf } from '../person.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseForeignOrigin, sessionCookie, setCookie } from '../session-cookie.ts'
import type { Routes } from '../zod-plugin.ts'

const MAX_AGENT = 200
const REFUSED =
  'Wrong e-mail address, password or code. Name the workspace too if your address is known in more than one.'
const NO_QUERY = z.strictObject({})

/** How people come in with a password, and go. */
export const sessionRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.post(
    '/sessions',
    {
      config: { access: 'public' },
      schema: {
        tags: ['Sessions'],
        summary: 'Sign in',
        description:
          'Answers `second-factor-required` when the password is right and a code is missing, and otherwise never says what ' +
          'was wrong. Failures are counted by account and by address: 429 says when to come back.',
        querystring: NO_QUERY,
        body: signInBody,
        response: { 201: signedInView },
      },
    },
    async (request, reply) => {
      const { cookie, ...given } = request.body
      if (cookie) refuseForeignOrigin(request)
      const address = peerAddress(request)
      const result = await signIn(
        db,
        ctx.config.PARLEY_SECRET_KEY,
        { ...given, address, user_agent: agentOf(request) },
        now(),
      )
      if (result.outcome !== 'signed_in') request.log.info({ outcome: result.outcome }, 'sign-in refused')
      if (result.outcome === 'too_early') throw tooEarly(result.retry_at, now())
      if (result.outcome === 'code_required') {
        throw new DomainError('second_factor_required', 'Send totp_code as well, or a recovery_code.')
      }
      if (result.outcome === 'refused') throw new DomainError('unauthenticated', REFUSED)
      await endFormer(request)
      ctx.wakeUps.publish(result.workspace.id)
      const { token, session, user, workspace } = result
      if (cookie) reply.header('set-cookie', setCookie({ token, max_age_seconds: SESSION_SECONDS }))
      return reply.code(201).send({
        token: cookie ? null : token,
        session: describeSession(session, session.id),
        workspace,
        user: describeUser(user, now()),
      })
    },
  )

  /** A browser that signs in anew leaves no session behind, whoever put it there. */
  async function endFormer(request: FastifyRequest): Promise<void> {
    const token = sessionCookie(request)
    const former = token ? await findCredential(db, token, now()) : undefined
    if (!former?.user_id) return
    const { workspace_id, user_id, id } = former
    await db.inWorkspace(workspace_id, trx => endSession(trx, user_id, id, { type: 'user', id: user_id }, now()))
    ctx.wakeUps.publish(workspace_id)
  }

  app.get(
    '/sessions',
    {
      config: { access: 'agent' },
      schema: { tags: ['Sessions'], summary: 'List your sessions, newest first', response: { 200: sessionList } },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const user = await findUser(trx, personOf(request.credential))
        const sessions = await listOpenSessions(trx, user!.id, user!.session_epoch, now())
        return { data: sessions.map(session => describeSession(session, request.credential.id)) }
      }),
  )

  app.delete(
    '/sessions/current',
    {
      config: { access: 'agent' },
      schema: { tags: ['Sessions'], summary: 'Sign out', response: { 200: z.object({}) } },
    },
    async (request, reply) => {
      const { kind, id } = request.credential
      if (kind !== 'session') throw new NotFound('session')
      await applyEffect(ctx, request, reply, { status: 200, headers: withoutCookie }, async trx => {
        await endSession(trx, personOf(request.credential), id, request.actor, now())
        return {}
      })
      return reply
    },
  )

  app.delete(
    '/sessions/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Sessions'],
        summary: 'End one of your sessions at once',
        params: idParams,
        response: { 200: z.object({}) },
      },
    },
    async (request, reply) => {
      const { user_id } = request.credential
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        if (!user_id) throw new NotFound('session')
        await endSession(trx, user_id, request.params.id, request.actor, now())
        return {}
      })
      return reply
    },
  )

  app.delete(
    '/users/:id/sessions',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Sessions'],
        summary: 'End all sessions of a person at once',
        params: idParams,
        response: { 200: userView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await endAllSessions(trx, request.params.id, request.actor, now())
        return describeUser((await findUser(trx, request.params.id))!, now())
      })
      return reply
    },
  )

  app.put(
    '/me/password',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Sessions'],
        summary: 'Change your password; your other sessions end',
        body: passwordBody,
        response: { 200: z.object({}) },
      },
    },
    async (request, reply) => {
      const { kind, workspace_id, id } = request.credential
      const { password, new_password } = request.body
      const proof = { user_id: personOf(request.credential), password, address: peerAddress(request) }
      const user = await provePassword(db, workspace_id, proof, now())
      // Before the transaction: hashing takes longer than any lock should be held.
      const change = await preparePasswordChange(user, new_password)
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await change(trx, kind === 'session' ? id : null, request.actor, now())
        return {}
      })
      return reply
    },
  )
}

const withoutCookie = () => ({ 'set-cookie': setCookie(null) })

const agentOf = (request: FastifyRequest) => request.headers['user-agent']?.slice(0, MAX_AGENT) ?? null

function describeSession(session: Session, current_id: string): z.output<typeof sessionView> {
  const { id, user_agent, created_at, last_seen_at, expires_at } = session
  return { id, user_agent, current: id === current_id, created_at, last_seen_at, expires_at }
}
