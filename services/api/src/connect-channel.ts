import {
  ChannelAuthError,
  type ConnectedChannel,
  type ConnectorContext,
  connectorFor,
  createEgressResolver,
  type Identity,
  NetworkUnavailable,
  refuseTarget,
} from '@parley/connectors'
import type { channelBody } from '@parley/contracts'
import { channelContext, seal } from '@parley/core'
import { appendEvents, type Channel, findInbox, insertChannel, newId, type Trx } from '@parley/db'
import { type Actor, DomainError } from '@parley/domain'
import type { z } from 'zod'
import type { ApiContext } from './context.ts'

const IDENTIFY_TIMEOUT_MS = 10_000

type Draft = z.output<typeof channelBody>
type Connect = (trx: Trx, actor: Actor) => Promise<Channel & { generated_credentials: unknown }>

/**
 * Checks a channel's settings and credentials, with the network itself where it can tell whose account they open, and
 * returns the step that stores it.
 * @throws DomainError `validation_failed`
 */
export async function connectChannel(ctx: ApiContext, workspace_id: string, draft: Draft): Promise<Connect> {
  const connector = connectorFor(draft.kind)
  const settings = parseSettings(ctx, draft.kind, draft.settings)
  const generated = Object.keys(draft.credentials).length === 0 ? connector.generateCredentials?.() : undefined
  const credentials = parse(connector.credentialsSchema, generated ?? draft.credentials, 'credentials')
  const now = ctx.now()
  const id = newId(now)
  const channel: ConnectedChannel = { id, external_id: null, settings, network_facts: {}, credentials, session: null }
  let session: Record<string, unknown> | undefined
  const identity = await identify(ctx, draft.kind, channel, saved => {
    session = saved
  })

  const { PARLEY_SECRET_KEY } = ctx.config
  const context = channelContext({ workspace_id, id })
  return async (trx, actor) => {
    if (!(await findInbox(trx, draft.inbox_id))) {
      throw new DomainError('validation_failed', 'inbox_id names no inbox of this workspace.')
    }
    const row = await insertChannel(trx, {
      id,
      inbox_id: draft.inbox_id,
      kind: draft.kind,
      name: draft.name,
      external_id: identity?.external_id ?? null,
      network_facts: JSON.stringify(identity?.network_facts ?? {}),
      status: 'active',
      settings: JSON.stringify(settings),
      credentials_sealed: seal(PARLEY_SECRET_KEY, context, credentials),
      session_sealed: session ? seal(PARLEY_SECRET_KEY, context, session) : null,
      next_poll_at: connector.poll ? now : null,
      poll_seconds: draft.poll_seconds,
      connected_at: now,
      created_at: now,
    })
    const data = { channel_id: id, kind: draft.kind, inbox_id: draft.inbox_id }
    await appendEvents(trx, [{ type: 'channel.connected', at: now, actor, data }])
    return { ...row, generated_credentials: generated ?? null }
  }
}

/** @throws DomainError `validation_failed`, with the fields */
export function parse<T>(schema: z.ZodType<T>, value: unknown, field: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.map(issue => ({
    pointer: `/${[field, ...issue.path.map(String)].join('/')}`,
    detail: issue.message,
  }))
  throw new DomainError('validation_failed', `The ${field} do not fit this kind of channel.`, { errors })
}

/** @throws DomainError `validation_failed`, with the fields */
export function parseSettings(ctx: ApiContext, kind: string, given: unknown): Record<string, unknown> {
  const settings = parse(connectorFor(kind).settingsSchema, given, 'settings')
  refusePrivateTargets(settings, ctx.config.PARLEY_ALLOW_PRIVATE_TARGETS)
  return settings
}

/** Refused when saved, where it can be told from the text; names are checked again whenever they are called. */
function refusePrivateTargets(settings: Record<string, unknown>, allowPrivate: string[]): void {
  for (const [key, value] of Object.entries(settings)) {
    if (!key.endsWith('_url') || typeof value !== 'string') continue
    const reason = refuseTarget(value, allowPrivate)
    if (!reason) continue
    const errors = [{ pointer: `/settings/${key}`, detail: reason }]
    throw new DomainError('validation_failed', `${key} ${reason}.`, { errors })
  }
}

/** @throws DomainError `validation_failed` when the network does not let us in */
export async function identify(
  ctx: ApiContext,
  kind: string,
  channel: ConnectedChannel,
  saveSession: (session: Record<string, unknown>) => void,
): Promise<Identity | null> {
  const { identify } = connectorFor(kind)
  if (!identify) return null
  try {
    return await identify(channel, callContext(ctx, IDENTIFY_TIMEOUT_MS, saveSession))
  } catch (error) {
    if (error instanceof ChannelAuthError || error instanceof NetworkUnavailable) {
      throw new DomainError('validation_failed', `The network did not let us in: ${error.message}`)
    }
    throw error
  }
}

/** What a connector may use while somebody waits for its answer; no worker shares the session it opens. */
export function callContext(
  ctx: ApiContext,
  timeoutMs: number,
  saveSession: (session: Record<string, unknown>) => void,
): ConnectorContext {
  return {
    now: ctx.now,
    signal: AbortSignal.timeout(timeoutMs),
    saveSession: async session => saveSession(session),
    renewSession: async (_stale, renew) => {
      const session = await renew(null)
      saveSession(session)
      return session
    },
    assertInTime: () => {},
    limitReached: async () => {},
    fetch: ctx.fetch,
    resolveHost: createEgressResolver(ctx.config.PARLEY_ALLOW_PRIVATE_TARGETS),
  }
}
