import { appendFileSync, readFileSync } from 'node:fs'

/** What the server did, one line of JSON each, written before anybody is answered. */
export type MastodonEntry =
  | {
      kind: 'call'
      at: number
      call: string
      account: string | null
      fault: string | null
      idempotency_key: string | null
    }
  | {
      kind: 'accepted'
      account: string
      id: string
      text: string
      in_reply_to_id: string | null
      visibility: string
      idempotency_key: string | null
    }
  | { kind: 'repeated'; id: string; idempotency_key: string }
  | { kind: 'edited'; id: string; text: string }
  | { kind: 'deleted'; id: string }
  | { kind: 'uploaded'; id: string; bytes: number; mime_type: string }
  /** A stream was opened, or ended from either side. */
  | { kind: 'stream'; account: string; open: boolean }

export type MastodonRecorder = (entry: MastodonEntry) => void

/** Appends to a file that outlives the process, however it ends. */
export function openMastodonRecord(file: string): MastodonRecorder {
  return entry => appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

export function readMastodonRecord(file: string): MastodonEntry[] {
  const lines = readFileSync(file, { encoding: 'utf8', flag: 'a+' }).split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as MastodonEntry)
}
