import { z } from 'zod'

/**
 * What is put into the ledger: a status as the server gave it, with what it takes to understand it without the network.
 * `thread` is null where the status could not be read.
 */
export const storedPayload = z.looseObject({
  our_id: z.string(),
  /** Where handles without a server belong to. */
  host: z.string().nullable(),
  type: z.string(),
  thread: z.looseObject({ root: z.string(), root_is_ours: z.boolean(), parent_is_ours: z.boolean() }).nullable(),
  status: z.unknown(),
})
export type StoredPayload = z.infer<typeof storedPayload>

/** A message that the server no longer has, or no longer shows to us. */
export const storedDeletion = z.looseObject({
  our_id: z.string(),
  deleted_id: z.string(),
  noticed_at: z.iso.datetime(),
})
export type StoredDeletion = z.infer<typeof storedDeletion>
