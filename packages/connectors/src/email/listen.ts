import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { openFolder, withImap } from './imap.ts'
import { accountOf } from './settings.ts'

/** Servers end an IDLE after half an hour (RFC 2177), and what stands between ends silent connections sooner. */
const MAX_IDLE_MS = 9 * 60_000

/**
 * Stays in the first folder with IDLE. What the server says there are counts, not mails: they only tell that a poll is
 * worth while. Ends when the connection does.
 * @throws ChannelAuthError, NetworkUnavailable
 */
export async function listen(channel: ConnectedChannel, context: ConnectorContext, onNews: () => void): Promise<void> {
  const { settings } = accountOf(channel)
  const idle = { maxIdleMs: MAX_IDLE_MS, silenceMs: 2 * MAX_IDLE_MS }
  await withImap(
    channel,
    context,
    async client => {
      const closed = new Promise<void>(resolve => client.once('close', () => resolve()))
      await openFolder(client, settings.folders[0]!)
      client.on('exists', onNews)
      // What came between the last poll and now.
      onNews()
      while (client.usable && !context.signal.aborted) await Promise.race([client.idle(), closed])
    },
    idle,
  )
}
