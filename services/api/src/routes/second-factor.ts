import {
  confirmTotpBody,
  enrolmentView,
  idParams,
  proofBody,
  recoveryCodesView,
  secondFactorView,
  userView,
} from '@parley/contracts'
import { confirmTotp, provePassword, removeTotp, startTotp } from '@parley/core'
import { countRecoveryCodes, findUser } from '@parley/db'
import type { FastifyRequest } from 'fastify'
import { describeUser } from '../describe-user.ts'
import { peerAddress } from '../peer-address.ts'
import { personOf } from '../person.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Codes of an authenticator app, asked for beside the password. */
export const secondFactorRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  const prove = (request: FastifyRequest<{ Body: { password: string } }>) => {
    const proof = {
      user_id: personOf(request.credential),
      password: request.body.password,
      address: peerAddress(request),
    }
    return provePassword(db, request.credential.workspace_id, proof, now())
  }

  app.get(
    '/me/totp',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Sessions'],
        summary: 'Whether you sign in with a second factor',
        response: { 200: secondFactorView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const user = (await findUser(trx, personOf(request.credential)))!
        return { enabled_at: user.totp_confirmed_at, recovery_codes_left: await countRecoveryCodes(trx, user.id) }
      }),
  )

  app.post(
    '/me/totp',
    {
      config: { access: 'agent', idempotency: 'none' },
      schema: {
        tags: ['Sessions'],
        summary: 'Begin with a second factor; needs your password',
        description: 'Nothing changes until a code of it is confirmed. Beginning again replaces what was begun.',
        body: proofBody,
        response: { 200: enrolmentView },
      },
    },
    async (request, reply) => {
      const { id } = await prove(request)
      await applyEffect(ctx, request, reply, { status: 200 }, trx => startTotp(trx, ctx.config.PARLEY_SECRET_KEY, id))
      return reply
    },
  )

  app.post(
    '/me/totp/confirm',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Sessions'],
        summary: 'Put the second factor to use with a code of it; recovery codes are shown once',
        body: confirmTotpBody,
        response: { 200: recoveryCodesView },
      },
    },
    async (request, reply) => {
      const user_id = personOf(request.credential)
      const { code } = request.body
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => ({
        recovery_codes: await confirmTotp(trx, ctx.config.PARLEY_SECRET_KEY, user_id, code, now()),
      }))
      return reply
    },
  )

  app.post(
    '/me/totp/remove',
    {
      config: { access: 'agent', idempotency: 'none' },
      schema: {
        tags: ['Sessions'],
        summary: 'Do without the second factor; needs your password',
        body: proofBody,
        response: { 200: secondFactorView },
      },
    },
    async (request, reply) => {
      const { id } = await prove(request)
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await removeTotp(trx, id, request.actor, now())
        return { enabled_at: null, recovery_codes_left: 0 }
      })
      return reply
    },
  )

  app.delete(
    '/users/:id/totp',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Sessions'],
        summary: 'Take the second factor off somebody who has lost theirs',
        params: idParams,
        response: { 200: userView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx =>
        describeUser(await removeTotp(trx, request.params.id, request.actor, now()), now()),
      )
      return reply
    },
  )
}
