import { isIP } from 'node:net'
import type { ConnectorContext } from '../connector.ts'
import { EgressBlocked } from '../egress.ts'
import { NetworkUnavailable } from '../errors.ts'
import type { MailServer } from './settings.ts'

const PUBLIC_PORTS = { IMAP: [143, 993], SMTP: [465, 587, 2465, 2525, 2587] }

/** Where to connect, and what certificate to expect. */
export type Target = {
  host: string
  port: number
  secure: boolean
  servername: string | undefined
  /** False where the server may go without: on this machine, or in a network that was allowed by name. */
  must_encrypt: boolean
}

/**
 * Finds where a server is. The connection goes to that address; its certificate is checked against the name.
 * @throws NetworkUnavailable in words for the channel's admin
 */
export async function targetOf(
  protocol: 'IMAP' | 'SMTP',
  { host, port, secure }: MailServer,
  context: ConnectorContext,
): Promise<Target> {
  try {
    const { address, is_private } = await context.resolveHost(host)
    if (!is_private && !PUBLIC_PORTS[protocol].includes(port)) {
      const ports = PUBLIC_PORTS[protocol].join(', ')
      throw new NetworkUnavailable(`${protocol} is reached on the ports ${ports}, not on ${port}.`, null)
    }
    return { host: address, port, secure, servername: isIP(host) ? undefined : host, must_encrypt: !is_private }
  } catch (error) {
    if (error instanceof NetworkUnavailable) throw error
    const why = error instanceof EgressBlocked ? 'its address is not allowed' : 'its name leads nowhere'
    throw new NetworkUnavailable(`The ${protocol} server ${host} cannot be called: ${why}.`, null, { cause: error })
  }
}

/** @throws NetworkUnavailable when the time for the call is over: nobody is connected to any more */
export function assertNotAborted({ signal }: ConnectorContext): void {
  if (signal.aborted) throw new NetworkUnavailable('The mail servers did not answer in time.', null)
}
