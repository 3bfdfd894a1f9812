import { z } from 'zod'

/**
 * What servers of this API answer. Beyond ids, times and accounts everything may be missing or of another kind: such a
 * field counts as absent, and the rest is read.
 */
const anyText = z.string().nullish().catch(null)

/** Opaque: digits, ULIDs, flakes, UUIDs, paths. */
export const networkId = z.union([z.string().min(1), z.int().transform(String)])

const anyId = networkId.nullish().catch(null)

function listOf<T>(item: z.ZodType<T>) {
  return z
    .array(z.unknown())
    .catch([])
    .transform(items => items.flatMap(one => item.safeParse(one).data ?? []))
}

export const accountEntity = z.looseObject({
  id: networkId,
  acct: anyText,
  username: anyText,
  display_name: anyText,
  url: anyText,
  uri: anyText,
  avatar_static: anyText,
  avatar: anyText,
  bot: z.boolean().nullish().catch(null),
})
export type AccountEntity = z.infer<typeof accountEntity>

const mentionEntity = z.looseObject({ id: networkId, acct: z.string().min(1), url: anyText })

const mediaEntity = z.looseObject({
  id: networkId,
  type: anyText,
  url: anyText,
  remote_url: anyText,
  description: anyText,
  pleroma: z.looseObject({ mime_type: anyText }).nullish().catch(null),
})
export type MediaEntity = z.infer<typeof mediaEntity>

const quoteEntity = z.looseObject({
  quoted_status: z
    .looseObject({ account: z.looseObject({ id: networkId }) })
    .nullish()
    .catch(null),
})

export const statusEntity = z.looseObject({
  id: networkId,
  created_at: z.string(),
  account: accountEntity,
  uri: anyText,
  url: anyText,
  content: anyText,
  spoiler_text: anyText,
  visibility: anyText,
  sensitive: z.boolean().nullish().catch(null),
  in_reply_to_id: anyId,
  in_reply_to_account_id: anyId,
  edited_at: anyText,
  mentions: listOf(mentionEntity),
  media_attachments: listOf(mediaEntity),
  quote: quoteEntity.nullish().catch(null),
})
export type StatusEntity = z.infer<typeof statusEntity>

export const contextEntity = z.looseObject({
  ancestors: z.array(
    z.looseObject({
      id: networkId,
      in_reply_to_id: anyId,
      account: z.looseObject({ id: networkId }).nullish().catch(null),
    }),
  ),
})
