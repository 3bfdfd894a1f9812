import { z } from 'zod'

/** What a webhook was told: a batch with some bad events is still accepted, and says which. */
export const inboundAnswer = z
  .object({
    accepted: z.int(),
    duplicates: z.int(),
    rejected: z.array(z.object({ index: z.int(), code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'InboundAnswer' })
