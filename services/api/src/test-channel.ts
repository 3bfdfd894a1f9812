import { ChannelAuthError, type ChannelCheck, connectorFor, NetworkUnavailable } from '@parley/connectors'
import { openChannel } from '@parley/core'
import type { Channel } from '@parley/db'
import { callContext } from './connect-channel.ts'
import type { ApiContext } from './context.ts'

/** Shorter than a request may take. */
const TEST_TIMEOUT_MS = 20_000

/**
 * Tries a channel with its own settings and credentials. Its saved session is left alone, so that no worker finds its
 * tokens used up: the login is tried, too.
 */
export async function testChannel(ctx: ApiContext, channel: Channel): Promise<{ ok: boolean; checks: ChannelCheck[] }> {
  const checks = await checksOf(ctx, channel)
  return { ok: checks.every(({ ok }) => ok), checks }
}

async function checksOf(ctx: ApiContext, channel: Channel): Promise<ChannelCheck[]> {
  const connector = connectorFor(channel.kind)
  const opened = { ...openChannel(ctx.config.PARLEY_SECRET_KEY, channel), session: null }
  const context = callContext(ctx, TEST_TIMEOUT_MS, () => {})
  try {
    if (connector.check) return await connector.check(opened, context)
    const found = await connector.identify?.(opened, context)
    return found ? [sameAccount(found.external_id, channel.external_id)] : []
  } catch (error) {
    if (!(error instanceof ChannelAuthError || error instanceof NetworkUnavailable)) throw error
    return [{ name: 'login', ok: false, detail: error.message }]
  }
}

function sameAccount(found: string, connected: string | null): ChannelCheck {
  const ok = connected === null || found === connected
  return { name: 'login', ok, detail: ok ? `Logged in as ${found}` : `This login opens ${found}, not ${connected}` }
}
