import { Readable } from 'node:stream'
import { BlobMissing } from '@parley/blob-store'
import { contactExportView, idParams } from '@parley/contracts'
import { requestExport } from '@parley/core'
import { type ContactExport, findExport } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** What a workspace keeps of a customer, for them to have. */
export const contactExportRoutes: Routes = async (app, { ctx }) => {
  const { db, now, blobs } = ctx

  const getExport = async (request: FastifyRequest, id: string): Promise<ContactExport> => {
    const found = await db.inWorkspace(request.credential.workspace_id, trx => findExport(trx, id))
    if (!found) throw new NotFound('export')
    return found
  }

  app.post(
    '/contacts/:id/export',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Contacts'],
        summary: 'Ask for a file with everything that is kept of a contact',
        description: 'A worker writes it; it can be downloaded for seven days.',
        params: idParams,
        response: { 202: contactExportView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 202 }, trx =>
        requestExport(trx, request.params.id, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/contact_exports/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Contacts'],
        summary: 'Read how far an export is',
        params: idParams,
        response: { 200: contactExportView },
      },
    },
    request => getExport(request, request.params.id),
  )

  app.get(
    '/contact_exports/:id/content',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Contacts'],
        summary: 'Download an export',
        description: '409 while it is being written, and when its time is over.',
        params: idParams,
        response: { 200: { description: 'The file', content: { 'application/json': { schema: z.any() } } } },
      },
    },
    async (request, reply) => {
      const { id, state, blob_key, byte_size, expires_at } = await getExport(request, request.params.id)
      if (state !== 'done' || !blob_key || !expires_at || expires_at <= now()) {
        throw new DomainError('conflict', `The export is ${state === 'done' ? 'expired' : state}.`, { state })
      }
      const content =
        request.method === 'HEAD'
          ? Readable.from([])
          : await blobs.open(blob_key).catch(error => {
              throw error instanceof BlobMissing ? new NotFound('content') : error
            })
      reply.headers({
        'content-type': 'application/json; charset=utf-8',
        'content-length': Number(byte_size),
        'content-disposition': `attachment; filename="contact-${id}.json"`,
        'cache-control': 'no-store',
      })
      return reply.send(content)
    },
  )
}
