import { contactErasureView, idParams } from '@parley/contracts'
import { beginErasure } from '@parley/core'
import { findErasure } from '@parley/db'
import { NotFound } from '@parley/domain'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** The right to be forgotten. */
export const contactErasureRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  app.post(
    '/contacts/:id/erase',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Contacts'],
        summary: 'Erase a contact, with all that were merged into it, for good',
        description:
          'Name, accounts and notes are gone at once; a worker erases what they wrote, and the receipt tells how far it ' +
          'is. Asked for twice it is the same erasure.',
        params: idParams,
        response: { 202: contactErasureView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 202 }, trx =>
        beginErasure(trx, request.params.id, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/contact_erasures/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Contacts'],
        summary: 'Read the receipt of an erasure',
        params: idParams,
        response: { 200: contactErasureView },
      },
    },
    async request => {
      const { workspace_id } = request.credential
      const found = await db.inWorkspace(workspace_id, trx => findErasure(trx, request.params.id))
      if (!found) throw new NotFound('erasure')
      return found
    },
  )
}
