import { z } from 'zod'
import { id } from './common.ts'

/** Jobs are hints: they carry ids and say "look", never facts. Unknown fields are dropped, so versions may mix. */
export const channelJob = z.object({ workspace_id: id, channel_id: id })
export type ChannelJob = z.infer<typeof channelJob>

export const sendJob = z.object({ workspace_id: id, message_id: id })
export type SendJob = z.infer<typeof sendJob>
