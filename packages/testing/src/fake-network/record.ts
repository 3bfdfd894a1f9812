import { appendFileSync, readFileSync } from 'node:fs'
import type { StoryEvent } from './story.ts'

/** What the fake network did, one line of JSON each, written before anybody is answered. */
export type RecordEntry =
  /** It told Parley of this, or was about to. `channel` is a name of the test's. */
  | { kind: 'emitted'; channel: string; event: StoryEvent }
  /** Parley answered 2xx for it, or a page that lists it went out whole. By the ids of the events. */
  | { kind: 'acknowledged'; channel: string; ids: string[] }
  /** A webhook request was answered; status 0 when no answer came. */
  | {
      kind: 'request'
      channel: string
      id: string
      status: number
      retry_after: string | null
      ms: number
      detail?: string
    }
  /** Parley called. `running` counts the calls being answered at that moment, this one among them. */
  | { kind: 'call'; channel: string; at: number; nsid: string; fault: string | null; running: number; paged: boolean }
  /** Parley wrote a post. */
  | { kind: 'accepted'; channel: string; uri: string; text: string }

export type Recorder = (entry: RecordEntry) => void

/** Appends to a file that outlives the process, however it ends. */
export function openRecord(file: string): Recorder {
  return entry => appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

export function readRecord(file: string): RecordEntry[] {
  // The last line may be half written at this moment.
  const lines = readFileSync(file, { encoding: 'utf8', flag: 'a+' }).split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as RecordEntry)
}
