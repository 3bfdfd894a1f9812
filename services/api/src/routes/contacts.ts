import {
  contactBody,
  contactIdentityView,
  contactPatch,
  contactQuery,
  contactView,
  conversationView,
  idParams,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { changeContact, createContact } from '@parley/core'
import {
  type ConversationWithContact,
  findContact,
  listContacts,
  listConversationsWith,
  listIdentities,
} from '@parley/db'
import { NotFound } from '@parley/domain'
import { z } from 'zod'
import { getPerson } from '../get-person.ts'
import { page, pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

const newest = {
  schema: z.object({ at: z.iso.datetime().transform(text => new Date(text)), id: z.string() }),
  of: (row: ConversationWithContact) => ({ at: row.last_message_at, id: row.id }),
}

/** Customers: one person with all their accounts. */
export const contactRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/contacts',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'List contacts, or find them by the beginning of a name, handle or mail address',
        querystring: contactQuery,
        response: { 200: pageOf(contactView) },
      },
    },
    request => pageById(ctx, cursors, request, (trx, next) => listContacts(trx, request.query.q, next)),
  )

  app.post(
    '/contacts',
    {
      config: { access: 'agent' },
      schema: { tags: ['Contacts'], summary: 'Add a contact', body: contactBody, response: { 201: contactView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, trx =>
        createContact(trx, request.body, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/contacts/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Contacts'], summary: 'Read a contact', params: idParams, response: { 200: contactView } },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const found = await db.inWorkspace(workspace_id, trx => findContact(trx, request.params.id))
      if (!found) throw new NotFound('contact')
      return reply.headers(etagOf(found)).send(found)
    },
  )

  app.patch(
    '/contacts/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'Change what is kept of a contact; needs If-Match',
        description: 'A contact that was merged or erased is not changed: 409, with `merged_into` where it was merged.',
        params: idParams,
        body: contactPatch,
        response: { 200: contactView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, trx =>
        changeContact(trx, request.params.id, request.body, seen, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/contacts/:id/identities',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'List the accounts of a contact',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(contactIdentityView) },
      },
    },
    request =>
      pageById(ctx, cursors, request, async (trx, next) =>
        listIdentities(trx, await getPerson(trx, request.params.id), next),
      ),
  )

  app.get(
    '/contacts/:id/conversations',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'List the conversations of a contact across channels, the newest first',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(conversationView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const person = await getPerson(trx, request.params.id)
        return page(cursors, request, newest, next =>
          listConversationsWith(trx, person, request.credential.inbox_ids, next),
        )
      }),
  )
}
