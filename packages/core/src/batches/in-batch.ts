import type { NewEvent } from '@parley/db'

/** Events of what a batch of messages brought about name it, so that the log says why. */
export const inBatch = (events: NewEvent[], batch_id: string | null | undefined): NewEvent[] =>
  batch_id ? events.map(event => ({ ...event, data: { ...event.data, batch_id } })) : events
