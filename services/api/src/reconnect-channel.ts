import { type ConnectedChannel, connectorFor } from '@parley/connectors'
import type { reconnectBody } from '@parley/contracts'
import { channelContext, oldRepliesTold, resumeSending, seal } from '@parley/core'
import {
  appendEvents,
  type Channel,
  findChannel,
  forgetListenerPause,
  lockChannel,
  type OldReply,
  type Trx,
  updateChannel,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import type { z } from 'zod'
import { identify, parse, parseSettings } from './connect-channel.ts'
import type { ApiContext } from './context.ts'

type Reconnect = (trx: Trx, actor: Actor) => Promise<Channel & { old_replies: OldReply[] }>

/**
 * Checks new credentials with the network and returns the step that stores them. The channel then goes on where it
 * was: at its cursor, with the replies that waited, and not before a time that its network named.
 * @throws DomainError `validation_failed`, also when they open another account
 */
export async function reconnectChannel(
  ctx: ApiContext,
  channel: Channel,
  given: z.output<typeof reconnectBody>,
): Promise<Reconnect> {
  const connector = connectorFor(channel.kind)
  const credentials = parse(connector.credentialsSchema, given.credentials, 'credentials')
  const { id, external_id } = channel
  const settings = given.settings
    ? parseSettings(ctx, channel.kind, given.settings)
    : (channel.settings as Record<string, unknown>)
  const opened: ConnectedChannel = { id, external_id, settings, network_facts: {}, credentials, session: null }
  let session: Record<string, unknown> | undefined
  const found = await identify(ctx, channel.kind, opened, saved => {
    session = saved
  })
  if (external_id !== null && found?.external_id !== external_id) {
    throw new DomainError('validation_failed', 'These credentials open another account than the one connected here.')
  }
  const { PARLEY_SECRET_KEY } = ctx.config
  const sealed = (value: unknown) => seal(PARLEY_SECRET_KEY, channelContext(channel), value)
  return async (trx, actor) => {
    const locked = await lockChannel(trx, id)
    if (!locked || locked.status === 'deleted') throw new NotFound('channel')
    const now = ctx.now()
    await updateChannel(trx, id, {
      ...(given.settings ? { settings: JSON.stringify(settings) } : {}),
      credentials_sealed: sealed(credentials),
      session_sealed: session ? sealed(session) : null,
      ...(found?.network_facts ? { network_facts: JSON.stringify(found.network_facts) } : {}),
      status: locked.status === 'disabled' ? 'active' : locked.status,
      status_reason: null,
      poll_failures: 0,
      // A worker that still talks with the old credentials loses its turn.
      poll_turn: null,
      head_due_at: null,
      next_poll_at: connector.poll ? later(now, locked.resume_at) : null,
    })
    await forgetListenerPause(trx, id)
    const old_replies = await resumeSending(trx, locked, now)
    const data = { channel_id: id, kind: channel.kind, inbox_id: locked.inbox_id, ...oldRepliesTold(old_replies) }
    await appendEvents(trx, [{ type: 'channel.connected', at: now, actor, data, previous: { status: locked.status } }])
    return { ...(await findChannel(trx, id))!, old_replies }
  }
}

const later = (now: Date, resume_at: Date | null) => (resume_at && resume_at > now ? resume_at : now)
