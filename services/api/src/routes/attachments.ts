import { Readable } from 'node:stream'
import { BlobMissing, bounded, type Claim, HEAD_BYTES, judgeContent, peek, TooManyBytes } from '@parley/blob-store'
import { attachmentQuery, attachmentView, idParams } from '@parley/contracts'
import { keepBlob } from '@parley/core'
import { type Attachment, findAttachment, insertAttachment, newId } from '@parley/db'
import { DomainError, NotFound, safeFileName } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { contentHeaders, rangeOf } from '../attachment-content.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { attachmentAnswer } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

/** Files: what customers sent, and what replies are going to carry. */
export const attachmentRoutes: Routes = async (app, { ctx }) => {
  const { db, now, blobs } = ctx
  const maxBytes = ctx.config.PARLEY_MAX_ATTACHMENT_BYTES

  const getAttachment = async (request: FastifyRequest, id: string): Promise<Attachment> => {
    const { credential } = request
    const found = await db.inWorkspace(credential.workspace_id, async trx => {
      await refuseUnseen(trx, credential, 'attachment', id)
      return findAttachment(trx, id)
    })
    if (!found) throw new NotFound('attachment')
    return found
  }

  // The body is the file itself, whatever its type: it goes to the store as it comes.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))

  app.post(
    '/attachments',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Attachments'],
        summary: 'Upload a file for a reply',
        description:
          `The body is the file, its Content-Type what it is: up to ${maxBytes} bytes, kept for seven days until a reply ` +
          'takes it. What it is shows in its content, and media_type says so; programs, pages that run scripts and ' +
          'files that are no image, sound or video although they claim to be are refused.',
        querystring: attachmentQuery,
        response: { 201: attachmentView },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const filename = safeFileName(request.query.filename)
      const claimed_media_type = request.headers['content-type']?.slice(0, 255) ?? null
      const claim = { media_type: claimed_media_type, filename }
      const content = await store(workspace_id, request, claim).catch(error => {
        // Read to its end and forgotten: a connection that is closed on somebody who writes takes the answer with it.
        if (request.body instanceof Readable) request.body.resume()
        throw error
      })
      // What an Idempotency-Key stands for: the same bytes under the same name.
      request.body = content
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => {
        const row = await insertAttachment(trx, {
          id: newId(now()),
          state: 'stored',
          ...content,
          claimed_media_type,
          filename,
          alt_text: request.query.alt_text ?? null,
          uploaded_by_type: request.actor.type,
          uploaded_by_id: request.actor.id,
          created_at: now(),
        })
        return attachmentAnswer(row)
      })
      return reply
    },
  )

  const tooLarge = () => new DomainError('payload_too_large', `A file has at most ${maxBytes} bytes.`)

  /** Looks at the first bytes before any is stored. */
  async function store(workspace_id: string, request: FastifyRequest, claim: Claim) {
    if (Number(request.headers['content-length']) > maxBytes) throw tooLarge()
    const source = bounded(bodyOf(request), maxBytes)
    try {
      const { head, whole, close } = await peek(source, HEAD_BYTES)
      const verdict = await judgeContent(head, claim)
      if (verdict.outcome === 'refused') {
        await close()
        throw new DomainError('validation_failed', verdict.reason)
      }
      const { key, sha256, byte_size } = await keepBlob(db, blobs, workspace_id, whole, now)
      return { blob_key: key, sha256, byte_size, media_type: verdict.media_type }
    } catch (error) {
      throw error instanceof TooManyBytes ? tooLarge() : error
    }
  }

  app.get(
    '/attachments/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Attachments'],
        summary: 'Read what is known of a file',
        params: idParams,
        response: { 200: attachmentView },
      },
    },
    async request => attachmentAnswer(await getAttachment(request, request.params.id)),
  )

  app.get(
    '/attachments/:id/content',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Attachments'],
        summary: 'Download a file',
        description:
          'As what its content is, and never to be opened as a page. Takes one Range, and If-None-Match: the content of ' +
          'an attachment never changes. 409 while it is not stored.',
        params: idParams,
        response: { 200: file('The file'), 206: file('The range'), 304: z.undefined(), 416: z.undefined() },
      },
    },
    async (request, reply) => {
      const attachment = await getAttachment(request, request.params.id)
      const { state, blob_key, byte_size } = attachment
      if (state !== 'stored' || !blob_key || !byte_size) {
        const elsewhere = state === 'linked' ? 'it is elsewhere, at its url.' : 'it is being fetched.'
        throw new DomainError('conflict', `The file is not here: ${attachment.reason ?? elsewhere}`)
      }
      const headers = contentHeaders(attachment)
      if (request.headers['if-none-match'] === headers.etag) return reply.code(304).headers(headers).send()
      const range = rangeOf(request.headers, headers.etag, byte_size)
      if (range === 'unsatisfiable') {
        reply.code(416).headers({ 'content-range': `bytes */${byte_size}` })
        return reply.send()
      }
      const content =
        request.method === 'HEAD'
          ? Readable.from([])
          : await blobs.open(blob_key, range).catch(error => {
              throw error instanceof BlobMissing ? new NotFound('content') : error
            })
      reply.headers({ ...headers, 'content-length': range ? range.end - range.start + 1 : byte_size })
      if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${byte_size}`)
      return reply.send(content)
    },
  )
}

const file = (description: string) => ({
  description,
  content: { 'application/octet-stream': { schema: z.any().meta({ type: 'string', format: 'binary' }) } },
})

/** Not destroyed when it is left in the middle: the caller is to be told why. */
function bodyOf({ body }: FastifyRequest): AsyncIterable<Uint8Array> | Uint8Array {
  return body ? (body as Readable).iterator({ destroyOnReturn: false }) : new Uint8Array()
}
