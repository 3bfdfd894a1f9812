import { z } from 'zod'

/** What it takes to answer a message, or to change one of ours. */
export const replyContext = z.object({
  id: z.string().min(1),
  /** Whom an answer mentions: the author and those they mention, without us. As the server spells them. */
  mentions: z.array(z.string()),
  spoiler_text: z.string(),
})
export type ReplyContext = z.infer<typeof replyContext>
