import { contactNoteBody, contactNoteParams, contactNoteView, idParams, pageOf, pageQuery } from '@parley/contracts'
import { addContactNote, changeContactNote, removeContactNote } from '@parley/core'
import { listContactNotes } from '@parley/db'
import type { FastifyRequest } from 'fastify'
import { getPerson } from '../get-person.ts'
import { pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

const writerOf = ({ actor, credential }: FastifyRequest) => ({ ...actor, role: credential.role })

/** What the team keeps to itself about a customer. */
export const contactNoteRoutes: Routes = async (app, { ctx, cursors }) => {
  const { now } = ctx

  app.get(
    '/contacts/:id/notes',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'List the notes about a contact',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(contactNoteView) },
      },
    },
    request =>
      pageById(ctx, cursors, request, async (trx, next) =>
        listContactNotes(trx, await getPerson(trx, request.params.id), next),
      ),
  )

  app.post(
    '/contacts/:id/notes',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'Add a note about a contact',
        params: idParams,
        body: contactNoteBody,
        response: { 201: contactNoteView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, trx =>
        addContactNote(trx, request.params.id, request.body.body, writerOf(request), now()),
      )
      return reply
    },
  )

  app.patch(
    '/contacts/:id/notes/:note_id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'Change a note about a contact; needs If-Match',
        description: 'Its author may, and a lead.',
        params: contactNoteParams,
        body: contactNoteBody,
        response: { 200: contactNoteView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      const { id: contact_id, note_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, trx =>
        changeContactNote(trx, { contact_id, note_id }, request.body.body, seen, writerOf(request), now()),
      )
      return reply
    },
  )

  app.delete(
    '/contacts/:id/notes/:note_id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'Take a note about a contact away',
        description: 'Its author may, and a lead. Answers with the note as it was.',
        params: contactNoteParams,
        response: { 200: contactNoteView },
      },
    },
    async (request, reply) => {
      const { id: contact_id, note_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        removeContactNote(trx, { contact_id, note_id }, writerOf(request), now()),
      )
      return reply
    },
  )
}
