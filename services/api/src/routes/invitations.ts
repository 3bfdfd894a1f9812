import {
  acceptInvitationBody,
  acceptResetBody,
  idParams,
  invitationBody,
  invitationCreatedView,
  invitationView,
  joinedView,
  pageOf,
  pageQuery,
  passwordResetView,
} from '@parley/contracts'
import {
  acceptInvitation,
  finishPasswordReset,
  forgiveAccount,
  hashPassword,
  invite,
  revokeInvitation,
  startPasswordReset,
} from '@parley/core'
import { findInvitation, findPasswordReset, getWorkspace, listInvitations } from '@parley/db'
import { z } from 'zod'
import { describeUser } from '../describe-user.ts'
import { LINKS_COUNTED, openLink } from '../open-link.ts'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

const NO_QUERY = z.strictObject({})
const INVITATION = { kind: 'invitation', find: findInvitation }
const PASSWORD_RESET = { kind: 'password reset', find: findPasswordReset }

/** How people get in for the first time, or again. Parley sends no mail: whoever makes a link hands it on. */
export const invitationRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/invitations',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'List invitations',
        querystring: pageQuery,
        response: { 200: pageOf(invitationView) },
      },
    },
    request => pageById(ctx, cursors, request, listInvitations),
  )

  app.post(
    '/invitations',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Invite somebody; the link is shown once',
        description: 'It opens for a week, and once. No mail is sent: hand it on yourself.',
        body: invitationBody,
        response: { 201: invitationCreatedView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => {
        const invitation = await invite(trx, request.body, request.actor, now())
        return { ...invitation, link: `/join#${invitation.token}` }
      })
      return reply
    },
  )

  app.delete(
    '/invitations/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Take an invitation back',
        params: idParams,
        response: { 200: invitationView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        revokeInvitation(trx, request.params.id, request.actor, now()),
      )
      return reply
    },
  )

  app.post(
    '/invitations/accept',
    {
      config: { access: 'public' },
      schema: {
        tags: ['People'],
        summary: 'Accept an invitation with a name and a password; then sign in',
        description: LINKS_COUNTED,
        querystring: NO_QUERY,
        body: acceptInvitationBody,
        response: { 201: joinedView },
      },
    },
    async (request, reply) => {
      const { name, password } = request.body
      const joined = await openLink(ctx, request, INVITATION, async ({ workspace_id, id }) => {
        // Before the transaction: hashing takes longer than any lock should be held.
        const password_hash = await hashPassword(password)
        const done = await db.inWorkspace(workspace_id, async trx => {
          const user = await acceptInvitation(trx, id, { name, password_hash }, now())
          return { workspace: await getWorkspace(trx), user: describeUser(user, now()) }
        })
        ctx.wakeUps.publish(workspace_id)
        return done
      })
      return reply.code(201).send(joined)
    },
  )

  app.post(
    '/users/:id/password_reset',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Make a link with which somebody chooses a new password; it is shown once',
        description:
          'It opens for a day, and once. No mail is sent: hand it on yourself. Former links open nothing any more.',
        params: idParams,
        response: { 201: passwordResetView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => {
        const reset = await startPasswordReset(trx, request.params.id, request.actor, now())
        return { ...reset, link: `/reset#${reset.token}` }
      })
      return reply
    },
  )

  app.post(
    '/password_resets/accept',
    {
      config: { access: 'public' },
      schema: {
        tags: ['People'],
        summary: 'Choose a new password; all sessions end',
        description: LINKS_COUNTED,
        querystring: NO_QUERY,
        body: acceptResetBody,
        response: { 200: z.object({}) },
      },
    },
    async (request, reply) => {
      await openLink(ctx, request, PASSWORD_RESET, async ({ workspace_id, id }) => {
        const password_hash = await hashPassword(request.body.new_password)
        const user = await db.inWorkspace(workspace_id, trx => finishPasswordReset(trx, id, password_hash, now()))
        if (user.email) await forgiveAccount(db, user.email)
        ctx.wakeUps.publish(workspace_id)
      })
      return reply.send({})
    },
  )
}
