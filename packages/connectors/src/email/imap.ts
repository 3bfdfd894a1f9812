import { ImapFlow, type MailboxObject } from 'imapflow'
import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { ChannelAuthError, NetworkUnavailable } from '../errors.ts'
import { accessToken } from './access-token.ts'
import { assertNotAborted, targetOf } from './connect.ts'
import { accountOf } from './settings.ts'

const CONNECT_TIMEOUT_MS = 10_000
const SILENCE_TIMEOUT_MS = 25_000
/** Larger mails are not fetched; the answer of a server holds little besides. */
const MAX_LITERAL_BYTES = 64 * 1024 * 1024
/** What servers answer to a right password when it is not its fault (RFC 5530). */
const NOT_THE_PASSWORD = ['UNAVAILABLE', 'LIMIT', 'INUSE', 'SERVERBUG', 'CONTACTADMIN']

type Options = { silenceMs?: number; maxIdleMs?: number }

/**
 * Works with the mailbox over a connection of its own, which is closed whatever happens. imapflow does not reconnect:
 * who needs the mailbox again opens another.
 * @throws ChannelAuthError, NetworkUnavailable
 */
export async function withImap<T>(
  channel: ConnectedChannel,
  context: ConnectorContext,
  work: (client: ImapFlow) => Promise<T>,
  options: Options = {},
): Promise<T> {
  const { settings, login } = accountOf(channel)
  const target = await targetOf('IMAP', settings.imap, context)
  const open = async (auth: { user: string; pass?: string; accessToken?: string }) => {
    assertNotAborted(context)
    const { host, port, secure, servername, must_encrypt } = target
    const client = new ImapFlow({
      host,
      port,
      secure,
      servername,
      ...(must_encrypt && !secure ? { doSTARTTLS: true } : {}),
      auth,
      logger: false,
      disableAutoIdle: true,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      greetingTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: options.silenceMs ?? SILENCE_TIMEOUT_MS,
      ...(options.maxIdleMs ? { maxIdleTime: options.maxIdleMs } : {}),
      maxLiteralSize: MAX_LITERAL_BYTES,
    })
    // Without a listener a late error of the socket would end the process.
    client.on('error', () => {})
    const abort = () => client.close()
    context.signal.addEventListener('abort', abort, { once: true })
    try {
      await client.connect()
      const result = await work(client)
      await client.logout().catch(() => {})
      return result
    } catch (error) {
      throw imapFailure(error, context)
    } finally {
      context.signal.removeEventListener('abort', abort)
      client.close()
    }
  }
  if ('password' in login) return open({ user: login.user, pass: login.password })
  const token = await accessToken(channel, login, context)
  try {
    return await open({ user: login.user, accessToken: token })
  } catch (error) {
    if (!(error instanceof ChannelAuthError)) throw error
    const fresh = await accessToken(channel, login, context, token)
    return open({ user: login.user, accessToken: fresh })
  }
}

/** Opens a folder to read in it. */
export async function openFolder(client: ImapFlow, path: string): Promise<MailboxObject> {
  try {
    return await client.mailboxOpen(path, { readOnly: true })
  } catch (error) {
    const { mailboxMissing, serverResponseCode } = error as { mailboxMissing?: boolean; serverResponseCode?: string }
    if (mailboxMissing || serverResponseCode === 'NONEXISTENT') throw new FolderMissing(path, error)
    throw error
  }
}

/** A folder that the settings name is not there. */
export class FolderMissing extends NetworkUnavailable {
  override name = 'FolderMissing'
  constructor(path: string, cause: unknown) {
    super(`The mailbox has no folder ${path}.`, null, { cause })
  }
}

/** By its properties: what imapflow throws on a wrong password is a plain Error. */
function imapFailure(error: unknown, context: ConnectorContext): Error {
  if (error instanceof ChannelAuthError || error instanceof NetworkUnavailable) return error
  const { authenticationFailed, serverResponseCode, responseText, code, throttleReset } = error as {
    authenticationFailed?: boolean
    serverResponseCode?: string
    responseText?: string
    code?: string
    throttleReset?: number
  }
  if (authenticationFailed && !NOT_THE_PASSWORD.includes(serverResponseCode ?? '')) {
    return new ChannelAuthError(`The IMAP server refused the login${inBrackets(responseText)}.`, { cause: error })
  }
  const retry_at = throttleReset ? new Date(context.now().getTime() + throttleReset) : null
  const words = responseText ?? (error instanceof Error ? error.message : undefined)
  return new NetworkUnavailable(`The IMAP server did not answer${inBrackets(words ?? code)}.`, retry_at, {
    cause: error,
  })
}

const inBrackets = (text: string | undefined) => (text ? ` (${text.replace(/\p{Cc}+/gu, ' ').slice(0, 200)})` : '')
