import type { ServerResponse } from 'node:http'
import {
  type Credential,
  type Database,
  type EventPosition,
  findCredentials,
  isAfter,
  listEventsAfter,
  listWorkspacesAhead,
  seesInbox,
} from '@parley/db'
import { DomainError } from '@parley/domain'
import type { Passing, WakeUps } from '@parley/queue'
import pLimit from 'p-limit'
import { isReady, PIECE_BYTES, type Stream, tellPage } from './event-pages.ts'

const PAGE = 500
/** Of events that are long, so many are read again for whoever has taken a few. */
const LEAST_PAGE = 10
/** Readers look by themselves this often: a wake-up may get lost. */
const LOOK_MS = 1_000
/** Keeps proxies from closing an idle stream; the reader's key is checked again at the same time. */
const HEARTBEAT_MS = 15_000
/** Who takes nothing for so long is closed, and may come back. */
const STALL_MS = 60_000
/** Connections of the pool that streams take at most, so that requests find others: for what is new, and for who is behind. */
const AT_ONCE = { level: 4, behind: 2, checks: 1 }
/** Keys and sessions that one statement asks for. */
const CHECKED_AT_ONCE = 1_000

export type EventStreamsOptions = {
  heartbeatMs?: number
  stallMs?: number
  /** Streams that one key or session may have open in this process. */
  maxPerCredential?: number
  maxPerWorkspace?: number
}

type Deps = { db: Database; wakeUps: WakeUps; now: () => Date; onError: (error: unknown) => void }

/** Who reads, and what they showed to be let in. */
export type Reader = { credential: Credential; token: string }

type Workspace = {
  id: string
  /** Streams that know all that was readable when it was last looked: they are told what is new together. */
  level: Set<Stream>
  /** Those that come back from further back or have no room. They read by themselves until they are level. */
  behind: Set<Stream>
  /** Up to where the level ones have been told. */
  head: EventPosition
  /** How many of its events, as long as they have been, one reader takes before it is asked whether it has room. */
  taken: number
  passing: Passing[]
  looking: boolean
  /** Counts the looks. */
  looks: number
  again: boolean
  catchingUp: boolean
  /** A look has failed. */
  due: boolean
}

export type EventStreams = {
  /** @throws DomainError `too_many_streams` */
  refuseTooMany(credential: Credential): void
  open(reader: Reader, position: EventPosition, response: ServerResponse): void
  close(): void
}

/**
 * Server-sent events over the log. Streams that are level with the log share what is read of it; those that are not read on
 * from their own place, one at a time, until they are. A slow reader is left alone until it has taken what it was given. No
 * event is skipped and none comes twice, whatever wakes the streams. Who reads is asked again before anything is told, for
 * all that it is told to at once, so a stream ends with its key or session, and tells what its reader sees by then.
 */
export function createEventStreams(deps: Deps, options: EventStreamsOptions = {}): EventStreams {
  const { db, wakeUps, now, onError } = deps
  const { heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS, maxPerCredential = 100, maxPerWorkspace = 20_000 } = options
  const workspaces = new Map<string, Workspace>()
  const perCredential = new Map<string, number>()
  const limits = { level: pLimit(AT_ONCE.level), behind: pLimit(AT_ONCE.behind), checks: pLimit(AT_ONCE.checks) }
  const tickMs = Math.min(LOOK_MS, heartbeatMs)
  const wheel = Array.from({ length: Math.ceil(heartbeatMs / tickMs) }, () => new Set<Stream>())
  let [opened, ticks, horizon, sweeping] = [0, 0, '0', false]

  /** Asks anew who these are, ends those that are nobody any more, and returns the others. */
  const authorise = async (streams: Stream[]): Promise<Stream[]> => {
    const tokens = [...new Set(streams.map(({ token }) => token))]
    const found = new Map<string, Credential>()
    for (let from = 0; from < tokens.length; from += CHECKED_AT_ONCE) {
      const some = await findCredentials(db, tokens.slice(from, from + CHECKED_AT_ONCE), now())
      for (const [token, credential] of some) found.set(token, credential)
    }
    return streams.filter(stream => {
      const credential = found.get(stream.token)
      if (credential) stream.credential = credential
      else stream.response.end()
      return credential !== undefined
    })
  }

  /** One page after a place, told to these streams. Returns how far it went; nothing when there was nothing. */
  const advance = async (workspace: Workspace, from: EventPosition, streams: Stream[], limit = PAGE) => {
    const rows = await db.inWorkspace(workspace.id, trx => listEventsAfter(trx, from, limit))
    const last = rows.at(-1)
    // Before anything is told, and after it was read: whatever was taken away before it happened is not told any more.
    const bytes = last && (await tellPage(db, workspace.id, rows, await authorise(streams)))
    workspace.taken = bytes ? Math.min(PAGE, Math.max(LEAST_PAGE, Math.ceil(PIECE_BYTES / bytes))) : PAGE
    return { last, more: rows.length === limit }
  }

  const look = async (workspace: Workspace): Promise<void> => {
    workspace.again = true
    if (workspace.looking) return
    workspace.looking = true
    try {
      while (workspace.again) {
        workspace.again = false
        workspace.looks += 1
        await limits.level(() => lookOnce(workspace))
      }
    } catch (error) {
      workspace.due = true
      onError(error)
    } finally {
      workspace.looking = false
    }
  }

  const lookOnce = async (workspace: Workspace): Promise<void> => {
    const streams = separate(workspace)
    const [first, ...others] = streams
    if (first) {
      const from = others.reduce((least, { position }) => (isAfter(least, position) ? position : least), first.position)
      const { last, more } = await advance(workspace, from, streams)
      workspace.head = last ?? from
      if (more) workspace.again = true
      separate(workspace)
    }
    const passing = workspace.passing.splice(0)
    if (passing.length > 0) await pass(passing, [...workspace.level, ...workspace.behind].filter(isReady))
  }

  /** The level streams that can be told something; others leave them. Only between two pages: who leaves is told by another. */
  const separate = (workspace: Workspace): Stream[] => {
    const ready: Stream[] = []
    for (const stream of workspace.level) {
      if (isReady(stream)) ready.push(stream)
      else if (workspace.level.delete(stream) && !stream.response.destroyed) workspace.behind.add(stream)
    }
    return ready
  }

  const pass = async (passing: Passing[], streams: Stream[]): Promise<void> => {
    for (const stream of await authorise(streams)) {
      const seen = passing.filter(({ inbox_id }) => seesInbox(stream.credential, inbox_id))
      // Without an id: it is not in the log, and a reader who comes back goes on from the event before.
      const text = seen.map(message => `event: presence\ndata: ${JSON.stringify(message)}\n\n`).join('')
      if (text && isReady(stream)) stream.response.write(text)
    }
  }

  const catchUp = async (workspace: Workspace): Promise<void> => {
    if (workspace.catchingUp) return
    workspace.catchingUp = true
    try {
      for (;;) {
        const ready = [...workspace.behind].filter(isReady)
        const first = ready[0]
        if (!first) break
        await limits.behind(() => catchUpOnce(workspace, first, ready))
      }
    } catch (error) {
      workspace.due = true
      onError(error)
    } finally {
      workspace.catchingUp = false
    }
  }

  /** One page for the stream whose turn it is, and for all that are further on: they may need some of it too. */
  const catchUpOnce = async (workspace: Workspace, first: Stream, ready: Stream[]): Promise<void> => {
    workspace.behind.delete(first)
    workspace.behind.add(first)
    const from = first.position
    const along = ready.filter(({ position }) => !isAfter(from, position))
    const [looks, alone] = [workspace.looks, workspace.level.size === 0]
    const { more } = await advance(workspace, from, along, workspace.taken)
    if (more) return
    for (const stream of along) if (isReady(stream) && workspace.behind.delete(stream)) workspace.level.add(stream)
    // Who joins has read as much as those that are level, unless they looked meanwhile, or nobody did for want of one.
    if (alone || workspace.looking || workspace.looks !== looks) void look(workspace)
  }

  /** Finds what no wake-up told of, in all workspaces by one look. */
  const sweep = async (): Promise<void> => {
    if (sweeping || workspaces.size === 0) return
    sweeping = true
    try {
      const followed = [...workspaces.values()].filter(({ level }) => level.size > 0)
      const heads = followed.map(({ id, head: { xact, seq } }) => ({ workspace_id: id, xact, seq }))
      const ahead = await db.asSystem(trx => listWorkspacesAhead(trx, heads, horizon))
      horizon = ahead.horizon
      for (const id of ahead.workspace_ids) wake(id)
    } catch (error) {
      onError(error)
    } finally {
      sweeping = false
    }
    for (const workspace of workspaces.values()) {
      if (!workspace.due) continue
      workspace.due = false
      void look(workspace)
      void catchUp(workspace)
    }
  }

  const wake = (workspace_id: string) => {
    const workspace = workspaces.get(workspace_id)
    if (workspace) void look(workspace)
  }

  const beat = async (streams: Stream[]): Promise<void> => {
    for (const stream of streams) {
      stream.stalled = stream.response.writableNeedDrain ? stream.stalled + 1 : 0
      if (stream.stalled * heartbeatMs >= stallMs) stream.response.destroy()
      else if (isReady(stream)) stream.response.write(': still here\n\n')
    }
    await limits.checks(() => authorise(streams)).catch(onError)
  }

  wakeUps.subscribe(wake)
  wakeUps.hear(message => {
    const workspace = workspaces.get(message.workspace_id)
    if (!workspace) return
    workspace.passing.push(message)
    void look(workspace)
  })
  const lookTimer = setInterval(() => void sweep(), LOOK_MS)
  const beatTimer = setInterval(() => {
    ticks += 1
    const due = wheel[ticks % wheel.length]!
    if (due.size > 0) void beat([...due])
  }, tickMs)

  return {
    refuseTooMany({ workspace_id, id }) {
      const workspace = workspaces.get(workspace_id)
      const inWorkspace = workspace ? workspace.level.size + workspace.behind.size : 0
      if ((perCredential.get(id) ?? 0) < maxPerCredential && inWorkspace < maxPerWorkspace) return
      throw new DomainError('too_many_streams', 'Close some streams before opening more.', { retry_after_seconds: 10 })
    },
    open({ credential, token }, position, response) {
      const { workspace_id, id } = credential
      const workspace = workspaces.get(workspace_id) ?? newWorkspace(workspace_id, position)
      workspaces.set(workspace_id, workspace)
      perCredential.set(id, (perCredential.get(id) ?? 0) + 1)
      const stream: Stream = { response, position, token, credential, stalled: 0 }
      opened += 1
      const spoke = wheel[opened % wheel.length]!
      spoke.add(stream)
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      })
      response.write('retry: 1000\n\n')
      response.on('drain', () => {
        stream.stalled = 0
        void catchUp(workspace)
      })
      response.on('close', () => {
        spoke.delete(stream)
        workspace.level.delete(stream)
        workspace.behind.delete(stream)
        if (workspace.level.size + workspace.behind.size === 0) workspaces.delete(workspace_id)
        const others = perCredential.get(id)! - 1
        if (others === 0) perCredential.delete(id)
        else perCredential.set(id, others)
      })
      workspace.behind.add(stream)
      void catchUp(workspace)
    },
    close() {
      clearInterval(lookTimer)
      clearInterval(beatTimer)
      for (const { level, behind } of workspaces.values())
        for (const { response } of [...level, ...behind]) response.end()
    },
  }
}

const newWorkspace = (id: string, head: EventPosition): Workspace => ({
  id,
  level: new Set(),
  behind: new Set(),
  head,
  taken: PAGE,
  passing: [],
  looking: false,
  looks: 0,
  again: false,
  catchingUp: false,
  due: false,
})
