import { createRequire } from 'node:module'
import type { AppBskyRichtextFacet, RichText } from '@atproto/api'
import { z } from 'zod'

// Loading the library takes as long as the rest of a process's start, so it waits for the first Bluesky post.
const load = createRequire(import.meta.url)

function richTextOf(props: { text: string; facets?: Facet[] }): RichText {
  const api = load('@atproto/api') as typeof import('@atproto/api')
  return new api.RichText(props)
}

/** The network's limits of a post (lexicon app.bsky.feed.post); both are enforced, and an emoji can be 25 bytes. */
export const MAX_GRAPHEMES = 300
export const MAX_BYTES = 3000

type Facet = AppBskyRichtextFacet.Main

const linkFacet = z.looseObject({
  index: z.looseObject({ byteStart: z.int().min(0), byteEnd: z.int() }),
  features: z.array(z.looseObject({ $type: z.string() })),
})

/**
 * A post's text with every link written out: apps shorten the visible text of a link, and the address itself is in a
 * facet. Facets are written by anyone's client, so those that make no sense are passed over.
 */
export function textWithFullLinks(text: string, facets: unknown): string {
  const bytes = Buffer.byteLength(text)
  const sound = (Array.isArray(facets) ? facets : []).filter((facet): facet is Facet => {
    const parsed = linkFacet.safeParse(facet)
    return (
      parsed.success && parsed.data.index.byteStart < parsed.data.index.byteEnd && parsed.data.index.byteEnd <= bytes
    )
  })
  const segments = [...richTextOf({ text, facets: sound }).segments()]
  return segments.map(({ text, link }) => (typeof link?.uri === 'string' ? link.uri : text)).join('')
}

/** How long a text is by the network's own count. */
export function measure(text: string): { graphemes: number; bytes: number } {
  const { graphemeLength, length } = richTextOf({ text })
  return { graphemes: graphemeLength, bytes: length }
}

/**
 * Links, mentions and tags of a text, with UTF-8 byte offsets. A mention that leads to no account stays plain text:
 * the library would keep it with an empty DID, and the server would refuse the whole post.
 */
export async function findFacets(
  text: string,
  resolveHandle: (handle: string) => Promise<string | null>,
): Promise<Facet[]> {
  const richText = richTextOf({ text })
  richText.detectFacetsWithoutResolution()
  const resolved = await Promise.all((richText.facets ?? []).map(facet => resolveMentions(facet, resolveHandle)))
  return resolved.filter(facet => facet !== null)
}

async function resolveMentions(
  facet: Facet,
  resolveHandle: (handle: string) => Promise<string | null>,
): Promise<Facet | null> {
  const [feature] = facet.features
  if (feature?.$type !== 'app.bsky.richtext.facet#mention') return facet
  const did = await resolveHandle((feature as AppBskyRichtextFacet.Mention).did)
  return did ? { ...facet, features: [{ $type: feature.$type, did }] } : null
}
