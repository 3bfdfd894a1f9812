import type { EventRow } from '@parley/db'

/** An event as it is read for the clocks: what is an instant in `data` is still text. */
export type LoggedEvent = Pick<EventRow, 'type' | 'at' | 'xact' | 'actor_id' | 'conversation_id'> & {
  data: Record<string, unknown>
  previous: Record<string, unknown> | null
}

export const instantOf = (value: unknown): Date | null => (typeof value === 'string' ? new Date(value) : null)
export const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** Of a merge or a split, which is told in the logs of both: the conversation that it came from, once. */
export function movedFrom({ type, data, conversation_id }: LoggedEvent): { from_id: string; into_id: string } | null {
  if (type !== 'conversation.merged' && type !== 'conversation.split') return null
  const [from_id, into_id] = [textOf(data.from_id), textOf(data.into_id)]
  return from_id && into_id && conversation_id === into_id ? { from_id, into_id } : null
}
