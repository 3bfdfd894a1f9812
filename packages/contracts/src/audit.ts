import { z } from 'zod'
import { id, instantIn, pageQuery } from './common.ts'
import { EVENT_TYPES, eventView } from './events.ts'
import { listOf } from './query.ts'

export const auditQuery = pageQuery
  .extend({
    /** A user, or a key that acts as no person. */
    actor_id: id.optional(),
    type: listOf(z.enum(EVENT_TYPES)).optional(),
    from: instantIn.optional(),
    to: instantIn.optional(),
  })
  .refine(({ from, to }) => !from || !to || from < to, { message: 'must lie before `to`', path: ['from'] })

export const auditEntry = eventView.omit({ cursor: true }).meta({ id: 'AuditEntry' })
