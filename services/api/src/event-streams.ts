import type { ServerResponse } from 'node:http'
import {
  type Credential,
  type Database,
  type EventPosition,
  type EventRow,
  keepOwn,
  keepVisible,
  listEventsAfter,
  seesEverything,
} from '@parley/db'
import type { WakeUps } from '@parley/queue'
import { describeEvent } from './describe-event.ts'

const PAGE = 500
/** Readers look by themselves this often: a wake-up may get lost. */
const LOOK_MS = 1_000
/** Keeps proxies from closing an idle stream; the reader's key is checked again at the same time. */
const HEARTBEAT_MS = 15_000

export type EventStreamsOptions = { heartbeatMs?: number }

/** Who reads; undefined once they may not any more. */
type Authorise = () => Promise<Credential | undefined>
type Stream = { response: ServerResponse; position: EventPosition; authorise: Authorise }
type Workspace = { streams: Set<Stream>; reading: boolean; again: boolean }

export type EventStreams = {
  open(workspace_id: string, position: EventPosition, response: ServerResponse, authorise: Authorise): void
  close(): void
}

/**
 * Server-sent events over the log. Each stream keeps its own place and reads until it is level with the log; a slow
 * reader is left alone until it has taken what it was given, and then goes on from its place. No event is skipped and
 * none comes twice, whatever wakes the streams. Who reads is asked again before anything is told, so a stream ends with its
 * key or session, and tells what its reader sees by then.
 */
export function createEventStreams(
  db: Database,
  wakeUps: WakeUps,
  onError: (error: unknown) => void,
  { heartbeatMs = HEARTBEAT_MS }: EventStreamsOptions = {},
): EventStreams {
  const workspaces = new Map<string, Workspace>()

  const look = async (workspace_id: string, workspace: Workspace): Promise<void> => {
    if (workspace.reading) {
      workspace.again = true
      return
    }
    workspace.reading = true
    try {
      do {
        workspace.again = false
        // All of them to the end: one that is still reading when the next look begins would send everything twice.
        const looks = await Promise.allSettled([...workspace.streams].map(stream => advance(workspace_id, stream)))
        for (const look of looks) if (look.status === 'rejected') onError(look.reason)
      } while (workspace.again)
    } finally {
      workspace.reading = false
    }
  }

  const advance = async (workspace_id: string, stream: Stream): Promise<void> => {
    while (!stream.response.writableNeedDrain && !stream.response.destroyed) {
      const rows = await db.inWorkspace(workspace_id, trx => listEventsAfter(trx, stream.position, PAGE))
      const last = rows.at(-1)
      if (!last) return
      // Before anything is told, and after it was read: whatever was taken away before it happened is not told any more.
      const reader = await stream.authorise()
      if (!reader) return void stream.response.end()
      const seen = seesEverything(reader)
        ? keepOwn(reader, rows)
        : await db.inWorkspace(workspace_id, trx => keepVisible(trx, reader, rows))
      for (const row of seen) stream.response.write(frame(row))
      stream.position = { ...stream.position, xact: last.xact, seq: last.seq }
      if (rows.length < PAGE) return
    }
  }

  wakeUps.subscribe(workspace_id => {
    const workspace = workspaces.get(workspace_id)
    if (workspace) void look(workspace_id, workspace)
  })
  const timer = setInterval(() => {
    for (const [workspace_id, workspace] of workspaces) void look(workspace_id, workspace)
  }, LOOK_MS)

  return {
    open(workspace_id, position, response, authorise) {
      const workspace = workspaces.get(workspace_id) ?? { streams: new Set(), reading: false, again: false }
      workspaces.set(workspace_id, workspace)
      const stream: Stream = { response, position, authorise }
      workspace.streams.add(stream)
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      })
      response.write('retry: 1000\n\n')
      const heartbeat = setInterval(() => {
        response.write(': still here\n\n')
        authorise().then(reader => void (reader ?? response.end()), onError)
      }, heartbeatMs)
      response.on('drain', () => void look(workspace_id, workspace))
      response.on('close', () => {
        clearInterval(heartbeat)
        workspace.streams.delete(stream)
        if (workspace.streams.size === 0) workspaces.delete(workspace_id)
      })
      void look(workspace_id, workspace)
    },
    close() {
      clearInterval(timer)
      for (const { streams } of workspaces.values()) for (const stream of streams) stream.response.end()
    },
  }
}

function frame(row: EventRow): string {
  const event = describeEvent(row)
  return `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}
