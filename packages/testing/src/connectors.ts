import type { ConnectedChannel, ConnectorContext } from '@parley/connectors'

/** What a connector may use, over a network that answers nothing. */
export function connectorContext(fields: Partial<ConnectorContext> = {}): ConnectorContext {
  const saveSession = fields.saveSession ?? (async () => {})
  return {
    now: () => new Date(),
    signal: new AbortController().signal,
    saveSession,
    renewSession: async (_stale, renew) => {
      const session = await renew(null)
      await saveSession(session)
      return session
    },
    assertInTime: () => {},
    limitReached: async () => {},
    fetch: () => Promise.reject(new TypeError('fetch failed')),
    resolveHost: async address => ({ address, is_private: true }),
    ...fields,
  }
}

/** A connected account with nothing in it. */
export function connectedChannel(fields: Partial<ConnectedChannel> = {}): ConnectedChannel {
  return { id: '1', external_id: null, settings: {}, network_facts: {}, credentials: {}, session: null, ...fields }
}
