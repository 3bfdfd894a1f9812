import { BlobMissing, type BlobSource, bounded, HEAD_BYTES, judgeContent, peek, TooManyBytes } from '@parley/blob-store'
import { EgressBlocked, retryAfterMs } from '@parley/connectors'
import { keepBlob } from '@parley/core'
import { type Attachment, findBlobSize } from '@parley/db'
import type { WorkerContext } from './context.ts'
import { type FetchOutcome, MAX_ATTEMPTS, recordFetch } from './record-fetch.ts'

/** The server is there and says no: a new file may not have reached it yet, so it is asked again, though not for long. */
const MAX_REFUSALS = 3

/** The file did not come: the network or its server is to blame, not us. */
class FetchFailed extends Error {}

/** Fetches one claimed file into the store and records what came of it. */
export async function fetchAttachment(ctx: WorkerContext, attachment: Attachment, timeoutMs: number): Promise<void> {
  const outcome =
    attachment.attempts > MAX_ATTEMPTS
      ? // Its workers died of it.
        { outcome: 'failed' as const, reason: 'It could not be fetched.' }
      : await attempt(ctx, attachment, timeoutMs).catch(error => outcomeOf(ctx, attachment, error))
  await recordFetch(ctx, attachment, outcome)
}

async function attempt(ctx: WorkerContext, attachment: Attachment, timeoutMs: number): Promise<FetchOutcome> {
  if (attachment.blob_key) return judgeKept(ctx, attachment, attachment.blob_key)
  const maxBytes = ctx.config.PARLEY_MAX_ATTACHMENT_BYTES
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)])
  try {
    const response = await ctx.fetchFile(attachment.source_url!, { signal }).catch(error => {
      throw error instanceof EgressBlocked ? error : new FetchFailed('the server cannot be reached', { cause: error })
    })
    if (response.status !== 200) return outcomeOfStatus(response, ctx.now())
    if (Number(response.headers.get('content-length')) > maxBytes) throw new TooManyBytes(maxBytes)
    return await store(ctx, attachment, bounded(chunksOf(response), maxBytes))
  } finally {
    // Whatever has not been read stays where it is.
    stop.abort()
  }
}

/** What it is shows in its first bytes: what is refused is not read to its end. */
async function store(
  ctx: WorkerContext,
  attachment: Attachment,
  source: AsyncIterable<Uint8Array>,
): Promise<FetchOutcome> {
  const { head, whole, close } = await peek(source, HEAD_BYTES)
  const claim = { media_type: attachment.claimed_media_type, filename: attachment.filename }
  const verdict = await judgeContent(head, claim)
  if (verdict.outcome === 'refused') {
    await close()
    return verdict
  }
  const { key, sha256, byte_size } = await keepBlob(ctx.db, ctx.blobs, attachment.workspace_id, whole, ctx.now)
  return { outcome: 'stored', blob_key: key, sha256, byte_size, media_type: verdict.media_type }
}

/** A file that its connector has stored already. */
async function judgeKept(ctx: WorkerContext, attachment: Attachment, key: string): Promise<FetchOutcome> {
  const maxBytes = ctx.config.PARLEY_MAX_ATTACHMENT_BYTES
  const byte_size = await ctx.db.inWorkspace(attachment.workspace_id, trx => findBlobSize(trx, key))
  if (byte_size === undefined) throw new BlobMissing(key)
  if (byte_size > maxBytes) throw new TooManyBytes(maxBytes)
  const range = { start: 0, end: Math.min(byte_size, HEAD_BYTES) - 1 }
  const { head } =
    byte_size === 0 ? { head: new Uint8Array() } : await peek(await ctx.blobs.open(key, range), HEAD_BYTES)
  const claim = { media_type: attachment.claimed_media_type, filename: attachment.filename }
  const verdict = await judgeContent(head, claim)
  if (verdict.outcome === 'refused') return verdict
  return { outcome: 'stored', blob_key: key, sha256: key.split('/')[1]!, byte_size, media_type: verdict.media_type }
}

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of (response.body ?? []) as BlobSource & AsyncIterable<Uint8Array>) yield chunk
  } catch (error) {
    throw new FetchFailed('the connection was lost', { cause: error })
  }
}

function outcomeOfStatus(response: Response, now: Date): FetchOutcome {
  const { status } = response
  if (status >= 300 && status < 400) {
    return { outcome: 'failed', reason: 'Its address leads on to another one, and those are not followed.' }
  }
  if (status === 429 || status >= 500 || status === 408) {
    const after_ms = retryAfterMs(response.headers.get('retry-after'), now) ?? undefined
    return { outcome: 'retry', reason: `Its server answered ${status}.`, after_ms }
  }
  return { outcome: 'retry', reason: `Its server answered ${status}.`, max_attempts: MAX_REFUSALS }
}

function outcomeOf(ctx: WorkerContext, attachment: Attachment, error: unknown): FetchOutcome {
  if (error instanceof TooManyBytes) {
    return { outcome: 'refused', reason: `The file has more than ${error.maxBytes} bytes.` }
  }
  if (error instanceof EgressBlocked) return { outcome: 'refused', reason: 'Its address is not a public one.' }
  if (error instanceof FetchFailed) return { outcome: 'retry', reason: 'It did not arrive.' }
  if (error instanceof BlobMissing) return { outcome: 'failed', reason: 'Its content is no longer in the store.' }
  ctx.logger.error({ err: error, attachment_id: attachment.id }, 'file not stored')
  return { outcome: 'postponed', reason: 'It could not be stored.' }
}
