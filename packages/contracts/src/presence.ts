import { z } from 'zod'
import { id, instantOut } from './common.ts'

export const presenceBody = z.strictObject({ state: z.enum(['viewing', 'typing']) })

/** Who is at a conversation now. `typing` turns into `viewing` at `typing_until`, and is over at `expires_at`. */
export const presenceView = z
  .object({
    user_id: id,
    state: z.enum(['viewing', 'typing']),
    expires_at: instantOut,
    typing_until: instantOut.nullable(),
  })
  .meta({ id: 'Presence' })

export const presenceList = z.object({ data: z.array(presenceView) })
