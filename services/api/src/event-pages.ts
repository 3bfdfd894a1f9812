import type { ServerResponse } from 'node:http'
import {
  type Credential,
  type Database,
  type EventPosition,
  type EventRow,
  isAfter,
  isNews,
  keepOwn,
  keepVisible,
  personOf,
  seesEverything,
} from '@parley/db'
import { describeEvent } from './describe-event.ts'

/** What is written to a reader before it is asked whether it has room for more. */
export const PIECE_BYTES = 64 * 1024

/** One reader: who it is, and up to where it has been told. */
export type Stream = {
  response: ServerResponse
  token: string
  /** As it was when it was last asked for. */
  credential: Credential
  position: EventPosition
  /** Heartbeats since it last took what it was given. */
  stalled: number
}

/** False for a reader that is gone, or has not taken yet what it was given. */
export const isReady = ({ response }: Stream): boolean =>
  !response.writableNeedDrain && !response.destroyed && !response.writableEnded

type Frame = { row: EventRow; bytes: Buffer }
/** Neighbours of a page, as all are told of them who see the same; `last` may be one that they do not see. */
type Piece = { first: EventRow; last: EventRow; frames: Frame[]; bytes: Buffer }

/**
 * Tells a page to streams of one workspace, each from its own place on. What is visible is looked up once for all who see
 * the same, and every event is written out once. A stream that has no room any more keeps the place that it came to.
 * Returns how long an event of the page is as it is written, in bytes; undefined where nobody sees any.
 */
export async function tellPage(
  db: Database,
  workspace_id: string,
  rows: EventRow[],
  streams: Stream[],
): Promise<number | undefined> {
  const people = new Set(rows.flatMap(row => personOf(row) ?? []))
  const groups = new Map<string, Stream[]>()
  for (const stream of streams) {
    const key = groupOf(stream, people)
    const group = groups.get(key)
    if (group) group.push(stream)
    else groups.set(key, [stream])
  }
  const readers = [...groups.values()].map(([stream]) => stream!.credential)
  const visible = readers.every(seesEverything)
    ? readers.map(reader => keepOwn(reader, rows))
    : await db.inWorkspace(workspace_id, trx => Promise.all(readers.map(reader => keepVisible(trx, reader, rows))))
  const frames = new Map<EventRow, Frame>()
  const frameOf = (row: EventRow) => {
    const known = frames.get(row) ?? { row, bytes: frame(row) }
    frames.set(row, known)
    return known
  }
  for (const [index, group] of [...groups.values()].entries()) {
    const pieces = cut(rows, new Set(visible[index]), frameOf)
    for (const stream of group) tell(stream, pieces)
  }
  const bytes = [...frames.values()].reduce((sum, frame) => sum + frame.bytes.length, 0)
  return frames.size > 0 ? bytes / frames.size : undefined
}

/** Whoever of `people` is told something of their own stands apart from others who see the same. */
const groupOf = ({ credential: { role, inbox_ids, user_id } }: Stream, people: Set<string>) =>
  `${role} ${inbox_ids === null ? 'everything' : inbox_ids.toSorted()} ${user_id && people.has(user_id) ? user_id : ''}`

function cut(rows: EventRow[], seen: Set<EventRow>, frameOf: (row: EventRow) => Frame): Piece[] {
  const pieces: Piece[] = []
  let [from, size, frames]: [number, number, Frame[]] = [0, 0, []]
  for (const [index, row] of rows.entries()) {
    if (seen.has(row)) {
      const frame = frameOf(row)
      frames.push(frame)
      size += frame.bytes.length
    }
    if (size < PIECE_BYTES && index < rows.length - 1) continue
    pieces.push({ first: rows[from]!, last: row, frames, bytes: Buffer.concat(frames.map(({ bytes }) => bytes)) })
    ;[from, size, frames] = [index + 1, 0, []]
  }
  return pieces
}

function tell(stream: Stream, pieces: Piece[]): void {
  for (const { first, last, frames, bytes } of pieces) {
    if (!isReady(stream)) return
    const { position } = stream
    if (!isAfter(last, position)) continue
    const whole = !position.since && isAfter(first, position)
    const news = whole
      ? bytes
      : Buffer.concat(frames.filter(({ row }) => isNews(row, position)).map(({ bytes }) => bytes))
    if (news.length > 0) stream.response.write(news)
    stream.position = advance(position, last)
  }
}

/** Behind everything that was running when a stream began, its snapshot tells nothing more. */
function advance({ since }: EventPosition, { xact, seq }: EventRow): EventPosition {
  const over = !since || BigInt(xact) >= BigInt(since.split(':')[1]!)
  return over ? { xact, seq } : { xact, seq, since }
}

function frame(row: EventRow): Buffer {
  const event = describeEvent(row)
  return Buffer.from(`id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}
