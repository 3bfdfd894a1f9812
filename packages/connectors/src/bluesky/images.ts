import type { AttachmentLimits } from '@parley/domain'
import { z } from 'zod'
import type { OutgoingAttachment } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { blobRef, type imagesEmbed } from './post.ts'
import type { BlueskySession } from './session.ts'
import { bodyOf, describe } from './xrpc.ts'

/** Lexicon app.bsky.embed.images; newer servers take 2,000,000 bytes each, older ones half of that. */
export const IMAGE_LIMITS: AttachmentLimits = {
  max_count: 4,
  max_bytes: 1_000_000,
  media_types: ['image/jpeg', 'image/png', 'image/webp'],
}

/** @throws SendRefused for the agent */
export function checkImages(attachments: OutgoingAttachment[]): void {
  const { max_count, max_bytes, media_types } = IMAGE_LIMITS
  if (attachments.length > max_count)
    throw new SendRefused(`A post on Bluesky has at most ${max_count} images, this has ${attachments.length}`)
  for (const { media_type, byte_size, filename } of attachments) {
    const name = filename ?? 'An image'
    if (!media_types.includes(media_type))
      throw new SendRefused(`${name} is ${media_type}; Bluesky takes images as JPEG, PNG or WebP`)
    if (byte_size > max_bytes) throw new SendRefused(`${name} has ${byte_size} bytes, Bluesky allows ${max_bytes}`)
  }
}

const uploadBody = z.looseObject({ blob: blobRef })

/**
 * Gives the images to the account's server, where nobody sees them until a post refers to them; left alone, they are
 * deleted after some hours. Undefined where there are none.
 * @throws SendRefused, ChannelAuthError, XrpcFailure
 */
export async function uploadImages(
  session: BlueskySession,
  attachments: OutgoingAttachment[],
  now: () => Date,
): Promise<z.infer<typeof imagesEmbed> | undefined> {
  if (attachments.length === 0) return undefined
  const images: z.infer<typeof imagesEmbed>['images'] = []
  // One after the other: a reply's images need not all be in memory at once.
  for (const attachment of attachments) {
    const { media_type, alt_text, filename } = attachment
    const bytes = { media_type, content: await attachment.read() }
    const answer = await session.call({ nsid: 'com.atproto.repo.uploadBlob', bytes })
    const refused = answer.status === 413 || (answer.status === 400 && answer.error !== null)
    if (refused) throw new SendRefused(`Bluesky does not take ${filename ?? 'an image'}: ${describe(answer)}`)
    images.push({ image: bodyOf(answer, uploadBody, now()).blob, alt: alt_text ?? '' })
  }
  return { $type: 'app.bsky.embed.images', images }
}
