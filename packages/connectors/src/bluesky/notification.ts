import { z } from 'zod'
import { parsePostUri } from './at-uri.ts'

/** What reaches the inbox. Likes, follows and whatever is added later are left where they are. */
export const REASONS = ['mention', 'reply', 'quote'] as const

const strongRef = z.looseObject({ uri: z.string().min(1), cid: z.string().min(1) })
export type StrongRef = { uri: string; cid: string }

const did = z.string().startsWith('did:')

const postRecord = z.looseObject({
  text: z.string(),
  createdAt: z.unknown().optional(),
  facets: z.unknown().optional(),
  embed: z.unknown().optional(),
  reply: z.looseObject({ root: strongRef, parent: strongRef }).optional(),
})
export type PostRecord = z.infer<typeof postRecord>

/**
 * `app.bsky.notification.listNotifications#notification` with a post as its record. The network may add fields, and
 * authors may put anything into theirs.
 */
export const postNotification = z.looseObject({
  uri: z.string().refine(uri => parsePostUri(uri) !== undefined, { error: 'is not the AT-URI of a post' }),
  cid: z.string().min(1),
  author: z.looseObject({
    did,
    handle: z.string().optional(),
    displayName: z.string().optional(),
    avatar: z.string().optional(),
  }),
  record: postRecord,
})
/** A post that is not there any more, as `poll` noticed. */
export const storedDeletion = z.looseObject({
  our_did: did,
  deleted: z.looseObject({ uri: z.string().min(1), noticed_at: z.iso.datetime() }),
})

/** What `poll` puts into the ledger. `our_did` makes the payload understandable without the channel. */
export const storedNotification = z.looseObject({
  our_did: did,
  notification: z.looseObject({
    reason: z.string(),
    record: z.looseObject({ $type: z.string().optional() }),
  }),
  /** What the post shows besides its text, as the AppView describes it; absent where it shows nothing. */
  embed: z.unknown().optional(),
})

/** Quotes come as `app.bsky.embed.record`, or with pictures beside them as `app.bsky.embed.recordWithMedia`. */
const quoteEmbed = z.union([
  z.looseObject({ $type: z.literal('app.bsky.embed.record'), record: z.looseObject({ uri: z.string() }) }),
  z.looseObject({
    $type: z.literal('app.bsky.embed.recordWithMedia'),
    record: z.looseObject({ record: z.looseObject({ uri: z.string() }) }),
  }),
])

/** The uri of the record a post quotes. */
export function quotedUri(record: PostRecord): string | undefined {
  const embed = quoteEmbed.safeParse(record.embed)
  if (!embed.success) return undefined
  return embed.data.$type === 'app.bsky.embed.record' ? embed.data.record.uri : embed.data.record.record.uri
}
