import type { ChannelCapabilities } from '@parley/domain'
import { z } from 'zod'
import type { ConnectedChannel } from '../connector.ts'

/** What the server told when the account was connected. Kept with the channel; an older one may lack any of it. */
export const mastodonFacts = z.looseObject({
  acct: z.string().nullable().catch(null),
  /** Where handles without a server belong to. */
  host: z.string().nullable().catch(null),
  software: z.string().nullable().catch(null),
  version: z.string().nullable().catch(null),
  api_version: z.number().nullable().catch(null),
  max_characters: z.int().positive().catch(500),
  characters_reserved_per_url: z.int().positive().catch(23),
  max_attachments: z.int().min(0).catch(4),
  max_attachment_bytes: z
    .int()
    .positive()
    .catch(8 * 1024 * 1024),
  attachment_types: z.array(z.string()).min(1).catch(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
  streaming_url: z.string().nullable().catch(null),
  /** True where a repeated post with the same Idempotency-Key is the same post. */
  knows_repeats: z.boolean().catch(false),
  has_notification_policy: z.boolean().catch(false),
})
export type MastodonFacts = z.infer<typeof mastodonFacts>

export function factsOf(channel: Pick<ConnectedChannel, 'network_facts'>): MastodonFacts {
  return mastodonFacts.parse(channel.network_facts)
}

/** No server says how many bytes it takes; with all characters four bytes long this is beyond any of their limits. */
const MAX_BYTES = 64 * 1024

export function capabilities(channel: Pick<ConnectedChannel, 'network_facts'>): ChannelCapabilities {
  const facts = factsOf(channel)
  return {
    actions: ['like', 'unlike', 'delete', 'edit'],
    idempotency: facts.knows_repeats ? 'header_key' : 'look_up',
    text: {
      counting: 'fediverse',
      max_characters: facts.max_characters,
      max_bytes: MAX_BYTES,
      link_characters: facts.characters_reserved_per_url,
    },
    visibilities: ['public', 'unlisted', 'followers', 'private'],
    attachments:
      facts.max_attachments === 0
        ? null
        : {
            max_count: facts.max_attachments,
            max_bytes: facts.max_attachment_bytes,
            media_types: facts.attachment_types,
          },
    reply_window_seconds: null,
  }
}
