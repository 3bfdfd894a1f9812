import { z } from 'zod'
import { id } from './common.ts'

/** Jobs are hints: they carry ids and say "look", never facts. Unknown fields are dropped, so versions may mix. */
export const channelJob = z.object({ workspace_id: id, channel_id: id })
export type ChannelJob = z.infer<typeof channelJob>

/** Without `lanes` the whole channel; a busy one is drained by several jobs, each with some of its lanes. */
export const ingestJob = channelJob.extend({ lanes: z.array(z.int().min(0)).min(1).optional() })
export type IngestJob = z.infer<typeof ingestJob>

/**
 * A reply, or with `action_id` what is to be done to a message; with `batch_id` because that batch is of it. `behind`: what
 * people do goes first.
 */
export const sendJob = z.object({
  workspace_id: id,
  message_id: id,
  action_id: id.optional(),
  batch_id: id.optional(),
  behind: z.literal(true).optional(),
})
export type SendJob = z.infer<typeof sendJob>

export const batchJob = z.object({ workspace_id: id, batch_id: id })
export type BatchJob = z.infer<typeof batchJob>
