import { setTimeout as delay } from 'node:timers/promises'
import { type ConnectorContext, createEgressResolver, TooLate } from '@parley/connectors'
import { channelContext, keepBlob, openChannel, seal } from '@parley/core'
import { type Channel, findChannel, pauseChannel, storeSession, takeSessionLease, updateChannel } from '@parley/db'
import type { WorkerContext } from './context.ts'

/** Longer than a renewal takes; a worker that dies while it renews holds the others up for that long. */
const RENEWAL_MS = 30_000
const LOOK_AGAIN_MS = 100

type Session = Record<string, unknown>

/**
 * What a connector may use while it works on a channel, until `deadline`. A worker that slept longer calls nobody any
 * more when it wakes up: its timers run only after the call it was about to make.
 */
export function connectorContext(ctx: WorkerContext, channel: Channel, deadline: Date): ConnectorContext {
  const signal = AbortSignal.timeout(Math.max(0, deadline.getTime() - ctx.now().getTime()))
  const assertInTime = () => {
    if (ctx.now() >= deadline) throw new TooLate(`not begun before ${deadline.toISOString()}`)
  }
  return {
    now: ctx.now,
    signal,
    assertInTime,
    fetch: async (input, init) => {
      assertInTime()
      return ctx.fetch(input, init)
    },
    limitReached: (calls, until) =>
      ctx.db
        .inWorkspace(channel.workspace_id, trx => pauseChannel(trx, channel.id, calls, until))
        .catch(error => ctx.logger.warn({ err: error, channel_id: channel.id }, 'limit not recorded')),
    storeBlob: async bytes => {
      const { workspace_id } = channel
      const { key } = await keepBlob(ctx.db, ctx.blobs, workspace_id, bytes, ctx.now, { from_ledger: true })
      return key
    },
    resolveHost: createEgressResolver(ctx.config.PARLEY_ALLOW_PRIVATE_TARGETS),
    saveSession: session => saveSession(ctx, channel, session),
    renewSession: (stale, renew) => renewSession(ctx, channel, signal, stale, renew),
  }
}

async function saveSession(ctx: WorkerContext, channel: Channel, session: Session): Promise<void> {
  const session_sealed = seal(ctx.config.PARLEY_SECRET_KEY, channelContext(channel), session)
  await ctx.db.inWorkspace(channel.workspace_id, trx => storeSession(trx, channel.id, session_sealed))
}

/** Refresh tokens may be good for one use: whoever has the lease uses it, the others wait for what comes of that. */
async function renewSession(
  ctx: WorkerContext,
  channel: Channel,
  signal: AbortSignal,
  stale: (saved: Session | null) => boolean,
  renew: (saved: Session | null) => Promise<Session>,
): Promise<Session> {
  const { workspace_id, id } = channel
  for (;;) {
    signal.throwIfAborted()
    const now = ctx.now()
    const lease_until = new Date(now.getTime() + RENEWAL_MS)
    const { leased, saved } = await ctx.db.inWorkspace(workspace_id, async trx => {
      const leased = await takeSessionLease(trx, id, lease_until, now)
      const { session } = openChannel(ctx.config.PARLEY_SECRET_KEY, (await findChannel(trx, id))!)
      return { leased, saved: session }
    })
    const fresh = !stale(saved) && saved
    if (leased && !fresh) return renewLeased(ctx, channel, saved, renew)
    if (leased) await ctx.db.inWorkspace(workspace_id, trx => updateChannel(trx, id, { session_lease_until: null }))
    if (fresh) return fresh
    await delay(LOOK_AGAIN_MS, undefined, { signal })
  }
}

async function renewLeased(
  ctx: WorkerContext,
  channel: Channel,
  saved: Session | null,
  renew: (saved: Session | null) => Promise<Session>,
): Promise<Session> {
  try {
    const session = await renew(saved)
    await saveSession(ctx, channel, session)
    return session
  } catch (error) {
    const release = { session_lease_until: null }
    await ctx.db.inWorkspace(channel.workspace_id, trx => updateChannel(trx, channel.id, release))
    throw error
  }
}
