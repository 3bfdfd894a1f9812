import type { RecordEntry } from '../fake-network/record.ts'
import type { StoryEvent } from '../fake-network/story.ts'

/** What one channel must hold by what its network did. */
export type Expected = {
  /** Every event the network may have told, by its id. */
  emitted: Map<string, StoryEvent>
  /** The ids of those that Parley has answered for. */
  acknowledged: Set<string>
  /** The events of each message, oldest version first. */
  versions: Map<string, StoryEvent[]>
}

export function expectedOf(record: RecordEntry[], channel: string): Expected {
  const emitted = new Map<string, StoryEvent>()
  const acknowledged = new Set<string>()
  for (const entry of record) {
    if (entry.channel !== channel) continue
    if (entry.kind === 'emitted') emitted.set(entry.event.id, entry.event)
    if (entry.kind === 'acknowledged') for (const id of entry.ids) acknowledged.add(id)
  }
  const versions = new Map<string, StoryEvent[]>()
  for (const event of emitted.values()) {
    versions.set(event.external_id, [...(versions.get(event.external_id) ?? []), event])
  }
  for (const events of versions.values()) events.sort((a, b) => a.version - b.version)
  return { emitted, acknowledged, versions }
}
