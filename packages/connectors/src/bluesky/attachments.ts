import type { ConnectorAttachment } from '@parley/contracts'
import { z } from 'zod'
import { given, storable } from '../text/storable.ts'

const text = z.string().optional().catch(undefined)

const imageView = z.looseObject({ fullsize: z.string().min(1), alt: text })
const imagesView = z.looseObject({
  $type: z.enum(['app.bsky.embed.images#view', 'app.bsky.embed.gallery#view']),
  images: z.array(z.unknown()).optional(),
  items: z.array(z.unknown()).optional(),
})
const videoView = z.looseObject({
  $type: z.literal('app.bsky.embed.video#view'),
  cid: z.string().min(1),
  playlist: z.string().min(1),
  alt: text,
})
const externalView = z.looseObject({
  $type: z.literal('app.bsky.embed.external#view'),
  external: z.looseObject({ uri: z.string().min(1), title: text, description: text }),
})
const withMedia = z.looseObject({ $type: z.literal('app.bsky.embed.recordWithMedia#view'), media: z.unknown() })

/** What the author's client declared of a picture: `record.embed`, in the order of the view. */
const declaredImage = z.looseObject({
  image: z.looseObject({
    ref: z.looseObject({ $link: z.string().min(1) }),
    mimeType: z.string().optional(),
    size: z.int().min(0).optional(),
  }),
})
const declaredImages = z.looseObject({
  images: z.array(z.unknown()).optional(),
  items: z.array(z.unknown()).optional(),
  media: z.unknown().optional(),
})

/**
 * The files of a post: pictures at the address that shows them in full; as links a video's playlist, and the page that
 * the card of a link leads to, with its title as the name. Whatever makes no sense is passed over: anyone may have
 * written it. Nothing at all where the post shows nothing.
 */
export function attachmentsOf(view: unknown, declared: unknown): { attachments?: ConnectorAttachment[] } {
  const attachments = describe(view, declared)
  return attachments.length > 0 ? { attachments } : {}
}

function describe(view: unknown, declared: unknown): ConnectorAttachment[] {
  const both = withMedia.safeParse(view).data
  if (both) return describe(both.media, declaredImages.safeParse(declared).data?.media)
  const images = imagesView.safeParse(view).data
  if (images) {
    const sources = listOf(declaredImages.safeParse(declared).data)
    return listOf(images).flatMap((image, place) => imageAt(place, image, sources[place]))
  }
  const video = videoView.safeParse(view).data
  if (video) {
    const media_type = 'application/vnd.apple.mpegurl'
    return [
      attachment({
        external_id: `video:${video.cid}`,
        url: video.playlist,
        media_type,
        alt_text: video.alt,
        linked: true,
      }),
    ]
  }
  const card = externalView.safeParse(view).data?.external
  if (!card) return []
  const { uri: url, title: filename, description: alt_text } = card
  return [attachment({ external_id: 'card', url, media_type: 'text/html', filename, alt_text, linked: true })]
}

const listOf = (embed: { images?: unknown[] | undefined; items?: unknown[] | undefined } | undefined) =>
  embed?.images ?? embed?.items ?? []

function imageAt(place: number, view: unknown, declared: unknown): ConnectorAttachment[] {
  const image = imageView.safeParse(view).data
  if (!image) return []
  const source = declaredImage.safeParse(declared).data?.image
  // The same picture may be shown twice.
  const external_id = `image:${place}:${source?.ref.$link ?? image.fullsize}`
  const { fullsize: url, alt: alt_text } = image
  return [attachment({ external_id, url, alt_text, media_type: source?.mimeType, byte_size: source?.size })]
}

type Described = {
  external_id: string
  url: string
  media_type?: string | undefined
  filename?: string | undefined
  alt_text?: string | undefined
  byte_size?: number | undefined
  linked?: true
}

function attachment(described: Described): ConnectorAttachment {
  const { external_id, url, media_type, filename, alt_text, byte_size, linked } = described
  return {
    external_id: storable(external_id),
    url: given(url),
    blob_key: null,
    media_type: given(media_type),
    filename: given(filename),
    alt_text: given(alt_text),
    byte_size: byte_size ?? null,
    inline: false,
    ...(linked ? { linked } : {}),
  }
}
