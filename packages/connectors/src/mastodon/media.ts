import { setTimeout as delay } from 'node:timers/promises'
import type { AttachmentLimits } from '@parley/domain'
import { z } from 'zod'
import type { ConnectorContext, OutgoingAttachment } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { describe, failureOf, goodBody, idIn, type MastodonAnswer, MastodonFailure } from './client.ts'
import { networkId } from './entities.ts'
import type { MastodonSession } from './session.ts'

const mediaBody = z.looseObject({ id: networkId })

const LOOK_AGAIN_MS = 500
/** Videos take longer than a call may: they are looked at again before the post is sent. */
const PATIENCE_MS = 10_000

/**
 * Uploads the files of a reply in their order. Nobody sees them before the post, and the server forgets those that no
 * post names. Ends when all are ready, or soon.
 * @throws SendRefused for files the server does not take, ChannelAuthError, MastodonFailure
 */
export async function uploadAll(
  session: MastodonSession,
  attachments: OutgoingAttachment[],
  limits: AttachmentLimits | null,
  context: ConnectorContext,
): Promise<string[]> {
  if (attachments.length === 0) return []
  if (!limits || attachments.length > limits.max_count)
    throw new SendRefused(`This server takes ${limits?.max_count ?? 0} files with a post`)
  const ids: string[] = []
  for (const attachment of attachments) ids.push(await upload(session, attachment, context))
  await allReady(session, ids, context)
  return ids
}

async function upload(session: MastodonSession, attachment: OutgoingAttachment, context: ConnectorContext) {
  const form = new FormData()
  const file = new Blob([new Uint8Array(await attachment.read())], { type: attachment.media_type })
  form.append('file', file, attachment.filename ?? 'file')
  if (attachment.alt_text) form.append('description', attachment.alt_text)
  const answer = await session.call({ method: 'POST', path: '/api/v2/media', form })
  if (refusesFile(answer))
    throw new SendRefused(`The server does not take the file ${attachment.filename ?? ''}: ${describe(answer)}`)
  return goodBody(answer, mediaBody, context.now()).id
}

/**
 * True when the server has worked through all files; false when that takes longer than can be waited for.
 * @throws SendRefused for one it cannot use, ChannelAuthError, MastodonFailure
 */
export async function allReady(session: MastodonSession, ids: string[], context: ConnectorContext): Promise<boolean> {
  const until = context.now().getTime() + PATIENCE_MS
  for (const id of ids) {
    while (!(await isReady(session, id, context))) {
      if (context.now().getTime() >= until) return false
      await delay(LOOK_AGAIN_MS, undefined, { signal: context.signal }).catch(() => {})
      if (context.signal.aborted) throw new MastodonFailure('The server still works on a file.', null, null)
    }
  }
  return true
}

async function isReady(session: MastodonSession, id: string, context: ConnectorContext): Promise<boolean> {
  const answer = await session.call({ path: `/api/v1/media/${idIn(id)}` })
  if (answer.status === 206) return false
  // Some servers do not tell of files at all; they take them at once.
  if (answer.ok || answer.status === 404 || answer.status === 405) return true
  if (refusesFile(answer)) throw new SendRefused(`The server cannot use a file of the reply: ${describe(answer)}`)
  throw failureOf(answer, context.now())
}

const refusesFile = ({ error, status }: MastodonAnswer) => error !== null && [400, 403, 413, 415, 422].includes(status)
